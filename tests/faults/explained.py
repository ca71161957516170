"""Cases that the control passes, and why they stand here all the same: by a word of their names."""

from __future__ import annotations

EXPLAINED = {
    "T01": "the control times and logs nothing by the wall clock",
    "p23_all_other_fields": "the control passes every field of an answer; the case shows that ours drops none too many",
    "p19_what_is_just_within": "the control has aiohttp's wider limits; the case shows that ours are not too low",
    "p21_few_pipelined": "aiohttp answers one request of a connection after the other; ours has to stay so",
    "unusual_head_is_served": "the control refuses nothing that is right; the case shows that ours is not too strict",
    "j10_body_of_the_limit": "the control has no limit; the case shows that ours is not too low",
    "j10_endless": "the control has aiohttp's own limit of 1 MiB",
    "j16_any_json": "the control reads no body, and its worker answers each in form; ours reads and must answer",
    "U09-finish-then-end": "the control passes bytes as they come; the case shows that ours takes this for an end",
    "U16-in-text": "the control reads no event, and so takes none for the end; ours reads all and must not",
    "U16-escaped": "the control reads no event, and so takes none for the end; ours reads all and must not",
    "U16-bare": "the control passes a good stream; the case shows that ours takes a real end for one",
    "U16-no-space": "the control passes a good stream; the case shows that ours takes this spelling for an end",
    "U16-crlf": "the control passes a good stream; the case shows that ours takes this spelling for an end",
    "U16-byte-by-byte": "the control passes bytes as they come; ours has to put events together",
    "U07-large-reset": "a body whose head is out can only be cut short, by whoever passes it on",
    "U11-large-long": "a body whose head is out can only be cut short, by whoever passes it on",
    "U14-in-time": "the control waits without end; the case shows that ours waits long enough",
    "U15-in-time": "the control waits without end; the case shows that ours waits long enough",
    "U11-short": "the control's HTTP client takes a length at its word, as ours has to",
    "R02-flowing": "where events flow, writing the next one shows that the caller is gone",
    "B03-2xx": "a control without a breaker never refuses; the case shows that ours closes again",
    "B03-4xx": "a control without a breaker never refuses; the case shows that ours closes again",
    "B05-8-percent": "a control without a breaker never opens; the case shows that ours does not open too soon",
    "B05-three-bad": "a control without a breaker never opens; the case shows that ours does not open too soon",
    "B06": "a control without a breaker never opens; the case shows that ours does not open for callers' faults",
    "b18_no_hedging": "the control asks once, always; ours may ask again and must not here",
}
NOT_ASKED = {
    "G": "the control speaks no gRPC",
    "X": "the control has no TLS, to either side",
    "T": "T03, T04: the control has no settings; the rest of T is asked",
    "O": "of O only what callers see of overload: the control does not drain, nor serve by several processes",
    "proof": "F01-F05, F07, F08, F17, F21: measured over a fleet with its memory and book, which the control has not",
}
"""What the share says nothing of, beside the cases that are left out one by one."""

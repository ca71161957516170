"""Text to tokens and back: tokenizers, chat templates, incremental detokenization, stop strings.

An answer goes through ``Detokenizer`` and then ``StopMatcher``. Reasoning and tool-call parsers have their
place between the two halves of that road: they read the text a detokenizer gives, one parser per choice,
so each will be a file of its own here that takes pushes of text and returns typed pieces.
"""

"""The wire: bodies, frames, headers and engine messages; pure and synchronous."""

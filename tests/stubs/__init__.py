"""The stubs: equal to what is published, generated from what is in ``protos``, and usable."""

"""One dialect per engine protocol: what is asked and answered, in protobuf."""

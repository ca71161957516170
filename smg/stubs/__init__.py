"""Messages, servicers and client stubs of the engine protocols: public, and generated.

A gRPC client of the gateway may import them, for instance
``from smg.stubs import sglang_scheduler_pb2, sglang_scheduler_pb2_grpc``. Everything here but
this file is written by ``scripts/gen_protos.py`` out of ``protos``; do not edit it.
"""

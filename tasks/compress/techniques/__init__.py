"""Compression techniques, one file each.

A technique plugin has:
- `Params`: its parameters (a `PluginParams`);
- `PRECISION: str`: what its graph computes in (`fp16`, `int8`), or "" where it leaves that as it
  was;
- `applies(parent: Parent) -> str | None`: None where it fits the parent's graph, else the reason
  why not, in words for the table;
- `apply(parent: Parent, params: Params, context: Context) -> onnx.ModelProto`: the compressed whole
  graph, with the parent's inputs and outputs; the parent's graph is left as it was; the same bytes
  each time. It raises `NotApplicable` with
  the reason where it finds out only then that it does not fit;
- or one of `shrink` and `convert`, as `tasks.compress.protocol` has them;
- optionally `available() -> str | None`: None, or what to install;
- optionally `precision(params) -> str`, where `PRECISION` depends on the params;
- optionally `dialect(params) -> str`: which engines' form of INT8 or INT4 it speaks;
- optionally `note(params) -> str | None`: what the table says of engines and speed;
- one of `only` (of `apply`), `alone`, `milder` and `NO_LAYERS`, which `temper explain` asks for
  (`tasks.compress.protocol`).

`Parent` and `Context` are those of `tasks.compress.protocol`. Only the model's part is compressed:
the preparation in the graph (nodes named `prepare/…`) keeps its precision, for raw columns may be
of any size.
"""

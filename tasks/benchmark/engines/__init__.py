"""Engines, one file each.

An engine plugin has:
- `Params`: its parameters (a `PluginParams`); `LIBRARIES`: the distributions whose version is
  recorded;
- `DEVICE: str`: `cuda` where it is only for a GPU, else `any`;
- `available() -> str | None`: None where it can be used here, else why not and what to install;
- `supports(subject: Subject) -> str | None`: None, or why it cannot run that variant;
- `load(subject: Subject, params: Params, device: str, threads: int) -> Session`: the variant ready
  to run. It raises `EngineUnavailable` where the engine would quietly run elsewhere than it says.

`Subject`, `Session` and `Rows` are those of `tasks.benchmark.subject`. A session takes any batch
size.
"""

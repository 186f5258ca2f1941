"""`temper explain`: the layers of a variant, from the last run's files."""

from tests.pipeline.conftest import Project


def test_the_layers_of_a_variant_are_named(beside: Project, here):
    temper = here(beside)
    params = beside.folder / "params.yaml"
    text = params.read_text()
    recipes = "{fp16: [fp16], int8: [ptq_int8, {repair: {max_drop: 0.5}}]}"
    params.write_text(
        text.replace("compress: {recipes: {fp16: [fp16]}}", f"compress: {{recipes: {recipes}}}")
    )
    done = temper("explain", "micro", "linear/int8")
    assert done.returncode == 2
    assert "no artifacts of the step 'features'. Run `temper run micro`" in done.stderr
    assert temper("run", "micro", "--until", "compress").returncode == 0
    done = temper("explain", "micro", "linear/int8")
    assert done.returncode == 0, done.stderr
    assert "linear/int8: rmse" in done.stdout
    assert "(paired bootstrap, 95 %)" in done.stdout
    assert "model/" in done.stdout
    assert "Gemm" in done.stdout
    assert "ptq_int8: the outputs are" in done.stdout
    assert "repair: the outputs are" in done.stdout
    done = temper("explain", "micro", "linear/fp16")
    assert done.returncode == 0, done.stderr
    assert "fp16: the outputs are" in done.stdout
    assert "error alone" in done.stdout
    for variant, words in {
        "linear/int9": "Did you mean 'linear/int8'?",
        "linear/fp32": "linear/fp32 is not explained by layer: nothing was changed",
        "baseline/int8": "no Conv, Gemm or MatMul to quantise",
    }.items():
        done = temper("explain", "micro", variant)
        assert done.returncode == 2
        assert words in done.stderr

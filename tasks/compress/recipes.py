"""`recipes: all`: every technique, and the combinations of them that tend to be worth it."""

from tasks.core.entries import Entry

INT8: Entry = "ptq_int8"
CUT: Entry = {"prune_structured": {"share": 0.3, "steps": 1}}  # twice leaves about half
HALF: Entry = {"prune_structured": {"share": 0.5, "steps": 1, "epochs": 8}}
STUDENT: Entry = {"distill": {"share": 0.5}}
ZEROS: Entry = {"prune_unstructured": {"share": 0.7}}
FEW_TREES: Entry = {"truncate": {"share": 0.25}}
NETWORK = {"width": 64, "epochs": 6, "batch_size": 128}  # of each row it is shown ten copies
FITTED: dict[str, list[Entry]] = {  # further, or anew: smaller models
    "pruned_some": [CUT],
    "pruned": [CUT, CUT],
    "pruned_more": [CUT, CUT, CUT],
    "pruned_most": [CUT, CUT, HALF],
    "student": [STUDENT],
    "small_student": [{"distill": {"share": 0.25}}],
    "tiny_student": [{"distill": {"share": 0.125}}],
    "student_mlp": [{"distill": {"into": "mlp", "student": NETWORK}}],
    "low_rank": [{"low_rank": {"energy": 0.9}}],
}
STORED: dict[str, list[Entry]] = {"": [], "_int8": [INT8], "_int4": ["ptq_int4"]}
ALL: dict[str, list[Entry]] = {
    "simplify": ["simplify"],
    "fp16": ["fp16"],
    "bf16": ["bf16"],
    "int8_cpu": [INT8],
    "int8_entropy": [{"ptq_int8": {"ranges": "entropy"}}],
    "int8_percentile": [{"ptq_int8": {"ranges": "percentile"}}],
    "int8_dynamic": [{"ptq_int8": {"mode": "dynamic"}}],
    "int8_trt": [{"ptq_int8": {"dialect": "int8_trt"}}],
    "int8_repaired": [INT8, "repair"],
    "int4": ["ptq_int4"],
    "int4_matmul": [{"ptq_int4": {"form": "matmul_nbits"}}],
    **{
        fitted + stored: [*steps, *last]
        for fitted, steps in FITTED.items()
        for stored, last in STORED.items()
    },
    "pruned_fp16": [CUT, CUT, "fp16"],
    "student_fp16": [STUDENT, "fp16"],
    "qat_int8": ["qat", INT8],
    "pruned_qat_int8": [CUT, CUT, "qat", INT8],
    "student_qat_int8": [STUDENT, "qat", INT8],
    "zeros": [ZEROS],
    "zeros_int8": [ZEROS, INT8],
    "sparse_2_4": ["sparse_2_4"],
    "keras_int8": ["keras_int8"],
    "litert": ["litert"],
    "truncate_half": [{"truncate": {"share": 0.5}}],
    "truncate_most": [FEW_TREES],
    "truncate_tenth": [{"truncate": {"share": 0.1}}],
    "fewer_leaves": ["prune_trees"],
    "short_thresholds": ["quantise_thresholds"],
    "small_trees": [{"truncate": {"share": 0.5}}, "prune_trees", "quantise_thresholds"],
    "few_trees": [FEW_TREES, "prune_trees"],
    "fewest_trees": [FEW_TREES, {"prune_trees": {"share": 0.7}}],
}

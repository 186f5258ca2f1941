"""`recipes: all`: every technique, and the combinations of them that tend to be worth it."""

from tasks.core.entries import Entry

INT8: Entry = "ptq_int8"
HALF: Entry = {"prune_structured": {"share": 0.5}}
STUDENT: Entry = {"distill": {"share": 0.5}}
SMALL_STUDENT: Entry = {"distill": {"share": 0.25}}
NETWORK: Entry = {"distill": {"into": "mlp", "student": {"width": 64}}}
THIN: Entry = {"low_rank": {"energy": 0.9}}
ZEROS: Entry = {"prune_unstructured": {"share": 0.7}}
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
    "qat_int8": ["qat", INT8],
    "pruned": [HALF],
    "pruned_int8": [HALF, INT8],
    "pruned_most": [HALF, HALF],
    "pruned_most_int8": [HALF, HALF, INT8],
    "pruned_qat_int8": [HALF, "qat", INT8],
    "student": [STUDENT],
    "student_int8": [STUDENT, INT8],
    "small_student": [SMALL_STUDENT],
    "small_student_int8": [SMALL_STUDENT, INT8],
    "student_mlp_int8": [NETWORK, INT8],
    "low_rank": [THIN],
    "low_rank_int8": [THIN, INT8],
    "zeros": [ZEROS],
    "zeros_int8": [ZEROS, INT8],
    "sparse_2_4": ["sparse_2_4"],
    "keras_int8": ["keras_int8"],
    "litert": ["litert"],
    "truncate_half": [{"truncate": {"share": 0.5}}],
    "truncate_most": [{"truncate": {"share": 0.25}}],
    "fewer_leaves": ["prune_trees"],
    "short_thresholds": ["quantise_thresholds"],
    "small_trees": [{"truncate": {"share": 0.5}}, "prune_trees", "quantise_thresholds"],
}

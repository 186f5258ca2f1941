"""The fields of Oura's documents (API v2, `usercollection`), their names here and their units.

By the interface's own description (cloud.ouraring.com/v2/docs, OpenAPI 1.35): durations are
seconds, distances metres, energies kcal; heart rates per minute, their variability (rMSSD) ms.
"""

ENDPOINTS = (
    "daily_sleep",
    "sleep",
    "daily_activity",
    "daily_readiness",
    "heartrate",
    "session",
    "workout",
)
Fields = dict[str, tuple[str, str | None]]  # field: (column, unit); points 0 to 100 have no unit

DAILY_SLEEP: Fields = {"score": ("sleep_score", None)}
DAILY_READINESS: Fields = {
    "score": ("readiness_score", None),
    "temperature_deviation": ("temperature_deviation_c", "degC"),
    "temperature_trend_deviation": ("temperature_trend_deviation_c", "degC"),
}
DAILY_ACTIVITY: Fields = {
    "score": ("activity_score", None),
    "active_calories": ("active_energy_kcal", "kcal"),
    "average_met_minutes": ("average_met", None),
    "equivalent_walking_distance": ("equivalent_walking_distance_m", "m"),
    "high_activity_met_minutes": ("high_activity_met_min", "min"),
    "high_activity_time": ("high_activity_s", "s"),
    "inactivity_alerts": ("inactivity_alerts", None),
    "low_activity_met_minutes": ("low_activity_met_min", "min"),
    "low_activity_time": ("low_activity_s", "s"),
    "medium_activity_met_minutes": ("medium_activity_met_min", "min"),
    "medium_activity_time": ("medium_activity_s", "s"),
    "meters_to_target": ("to_target_m", "m"),
    "non_wear_time": ("non_wear_s", "s"),
    "resting_time": ("resting_s", "s"),
    "sedentary_met_minutes": ("sedentary_met_min", "min"),
    "sedentary_time": ("sedentary_s", "s"),
    "steps": ("steps", None),
    "target_calories": ("target_energy_kcal", "kcal"),
    "target_meters": ("target_m", "m"),
    "total_calories": ("total_energy_kcal", "kcal"),
}
SLEEP: Fields = {  # of the day's main sleep
    "average_breath": ("main_sleep_breaths_per_min", "1/min"),
    "average_heart_rate": ("main_sleep_heart_rate_bpm", "1/min"),
    "average_hrv": ("main_sleep_hrv_ms", "ms"),
    "awake_time": ("main_sleep_awake_s", "s"),
    "deep_sleep_duration": ("main_sleep_deep_s", "s"),
    "efficiency": ("main_sleep_efficiency_percent", "%"),
    "latency": ("main_sleep_latency_s", "s"),
    "light_sleep_duration": ("main_sleep_light_s", "s"),
    "lowest_heart_rate": ("main_sleep_lowest_heart_rate_bpm", "1/min"),
    "rem_sleep_duration": ("main_sleep_rem_s", "s"),
    "restless_periods": ("main_sleep_restless_periods", None),
    "time_in_bed": ("main_sleep_in_bed_s", "s"),
    "total_sleep_duration": ("main_sleep_total_s", "s"),
}
DAILY = {  # endpoint: (its fields, prefix of its contributors' columns, its contributors)
    "daily_sleep": (
        DAILY_SLEEP,
        "sleep_by_",
        (
            *("deep_sleep", "efficiency", "latency", "rem_sleep", "restfulness", "timing"),
            "total_sleep",
        ),
    ),
    "daily_activity": (
        DAILY_ACTIVITY,
        "activity_by_",
        (
            *("meet_daily_targets", "move_every_hour", "recovery_time", "stay_active"),
            *("training_frequency", "training_volume"),
        ),
    ),
    "daily_readiness": (
        DAILY_READINESS,
        "readiness_by_",
        (
            *("activity_balance", "body_temperature", "hrv_balance", "previous_day_activity"),
            *("previous_night", "recovery_index", "resting_heart_rate", "sleep_balance"),
            "sleep_regularity",
        ),
    ),
}
LEFT_OUT = {  # known, and of no use in a table of days: series, texts, what other columns hold
    "daily_sleep": {"timestamp"},
    "daily_readiness": {"timestamp"},
    "daily_activity": {"class_5_min", "met", "timestamp"},
    "sleep": {
        *("app_sleep_phase_5_min", "heart_rate", "hrv", "low_battery_alert", "movement_30_sec"),
        *("period", "readiness", "readiness_score_delta", "ring_id", "sleep_algorithm_version"),
        *("sleep_analysis_reason", "sleep_phase_30_sec", "sleep_phase_5_min", "sleep_score_delta"),
    },
}
ALWAYS = {"id", "day", "contributors", "meta", "type", "bedtime_start", "bedtime_end"}

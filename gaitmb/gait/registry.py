"""The registry of gait measures: what each one is, its unit, its source, and when it can be had."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from gaitmb.gait.definitions import Measure, Sided

__all__ = ["FEATURES", "MEASURES", "SIDED"]

_ALL = ("3d", "side", "oblique", "front")
_FORWARD = ("3d", "side")
_ACROSS = ("3d", "front")
_3D = ("3d",)

_SPATIOTEMPORAL = "Hollman et al. 2011, Gait & Posture 34:111"
_KINEMATICS = "Winter 2009, Biomechanics and Motor Control of Human Movement"
_COMPENSATION = "Kerrigan et al. 2000, Am J Phys Med Rehabil 79:247"
_ARMS = "Lewek et al. 2010, Gait & Posture 31:256"
_REGULARITY = "Moe-Nilssen & Helbostad 2004, J Biomech 37:121"
_HARMONICS = "Menz et al. 2003, Gait & Posture 18:35"
_WALK_RATIO = "Sekiya & Nagasaki 1998, Gait & Posture 7:225"


#: The measures that there are of each side.
SIDED: tuple[Sided, ...] = (
    Sided(
        "step_time", "s", "from the other foot's initial contact to this one's", _SPATIOTEMPORAL, _ALL
    ),
    Sided(
        "stance_time",
        "s",
        "from initial to final contact",
        _SPATIOTEMPORAL,
        _FORWARD,
        ("front", "oblique"),
    ),
    Sided(
        "swing_time",
        "s",
        "from final to initial contact",
        _SPATIOTEMPORAL,
        _FORWARD,
        ("front", "oblique"),
    ),
    Sided(
        "double_support",
        "s",
        "from this foot's initial contact to the other's final contact",
        _SPATIOTEMPORAL,
        _FORWARD,
        ("front", "oblique"),
        asymmetry="unit",
    ),
    Sided(
        "step_length",
        "ll",
        "from the other foothold to this one, along the way",
        _SPATIOTEMPORAL,
        _FORWARD,
        asymmetry="unit",
    ),
    Sided(
        "foot_ahead",
        "ll",
        "ankle before the pelvis at initial contact",
        _KINEMATICS,
        _FORWARD,
        asymmetry="unit",
    ),
    Sided(
        "foot_behind",
        "ll",
        "ankle behind the pelvis at final contact",
        _KINEMATICS,
        _FORWARD,
        asymmetry="unit",
    ),
    Sided(
        "foot_travel",
        "ll",
        "range of the ankle before and behind the pelvis over a stride",
        _KINEMATICS,
        _FORWARD,
    ),
    Sided(
        "foot_clearance", "ll", "highest ankle in swing above its level in stance", _KINEMATICS, _FORWARD
    ),
    Sided(
        "swing_speed",
        "ll_per_s",
        "fastest forward speed of the ankle over the ground",
        _KINEMATICS,
        _FORWARD,
    ),
    Sided(
        "circumduction",
        "ll",
        "ankle outwards of the straight way from final to initial contact",
        _COMPENSATION,
        _ACROSS,
        asymmetry="unit",
    ),
    Sided(
        "knee_range",
        "deg",
        "range of knee flexion over a stride, in the sagittal plane",
        _KINEMATICS,
        _FORWARD,
        asymmetry="unit",
    ),
    Sided(
        "knee_peak",
        "deg",
        "largest knee flexion in a stride, in the sagittal plane",
        _KINEMATICS,
        _FORWARD,
        asymmetry="unit",
    ),
    Sided(
        "knee_stance",
        "deg",
        "largest knee flexion while the other leg swings, in the sagittal plane",
        _KINEMATICS,
        _FORWARD,
        asymmetry="unit",
    ),
    Sided(
        "hip_range",
        "deg",
        "range of the thigh against the vertical over a stride, in the sagittal plane",
        _KINEMATICS,
        _FORWARD,
        asymmetry="unit",
    ),
    Sided(
        "hip_flexion_peak",
        "deg",
        "thigh furthest forward of the vertical",
        _KINEMATICS,
        _FORWARD,
        asymmetry="unit",
    ),
    Sided(
        "hip_extension_peak",
        "deg",
        "thigh furthest behind the vertical",
        _KINEMATICS,
        _FORWARD,
        asymmetry="unit",
    ),
    Sided(
        "hip_hike",
        "deg",
        "pelvis up on the side of the swinging leg, mean over its swing",
        _COMPENSATION,
        _ACROSS,
        asymmetry="unit",
    ),
    Sided(
        "trunk_over_stance",
        "deg",
        "trunk leaning to the side of the standing leg, mean over the swing of the other",
        _COMPENSATION,
        _ACROSS,
        asymmetry="unit",
    ),
    Sided(
        "trunk_lean_stance",
        "deg",
        "forward lean of the trunk while the other leg swings",
        _KINEMATICS,
        _FORWARD,
        asymmetry="unit",
    ),
    Sided(
        "pelvis_rise",
        "ll",
        "pelvis while this leg stands and the other swings, above its mean height in the walk",
        _KINEMATICS,
        _FORWARD,
        asymmetry="unit",
    ),
    Sided(
        "stance_speed",
        "ll_per_s",
        "forward speed of the pelvis over the standing foot while the other leg swings",
        _KINEMATICS,
        _FORWARD,
    ),
    Sided(
        "arm_swing",
        "deg",
        "range of the line from shoulder to wrist over a stride, in the sagittal plane",
        _ARMS,
        _FORWARD,
        asymmetry="angle",
    ),
    Sided("elbow_flexion", "deg", "mean flexion of the elbow", _KINEMATICS, _FORWARD, asymmetry="unit"),
)

_OF_BOTH: tuple[Measure, ...] = (
    Measure("cadence_spm", "spm", "Steps per minute, from the mean stride time.", _SPATIOTEMPORAL, _ALL),
    Measure("stride_time_s", "s", "From a foot's initial contact to its next.", _SPATIOTEMPORAL, _ALL),
    Measure(
        "stance_pct",
        "pct",
        "Stance time in per cent of stance and swing.",
        _SPATIOTEMPORAL,
        _FORWARD,
        ("front", "oblique"),
    ),
    Measure(
        "double_support_pct",
        "pct",
        "Both double supports in per cent of the stride.",
        _SPATIOTEMPORAL,
        _FORWARD,
        ("front", "oblique"),
    ),
    Measure(
        "stride_time_cv_pct",
        "pct",
        "Standard deviation of stride times over their mean.",
        _SPATIOTEMPORAL,
        _ALL,
        min_strides=3,
    ),
    Measure(
        "step_time_cv_pct",
        "pct",
        "Standard deviation of step times over their mean.",
        _SPATIOTEMPORAL,
        _ALL,
        min_strides=3,
    ),
    Measure(
        "step_length_cv_pct",
        "pct",
        "Standard deviation of step lengths over their mean.",
        _SPATIOTEMPORAL,
        _FORWARD,
        min_strides=3,
    ),
    Measure(
        "speed_ll_per_s", "ll_per_s", "Mean step length over mean step time.", _SPATIOTEMPORAL, _FORWARD
    ),
    Measure(
        "walk_ratio",
        "1",
        "Step length in leg lengths over cadence in steps per second.",
        _WALK_RATIO,
        _FORWARD,
    ),
    Measure(
        "step_width_ll",
        "ll",
        "Left ankle beside the right one at initial contact.",
        _SPATIOTEMPORAL,
        _ACROSS,
    ),
    Measure(
        "trunk_lean_deg", "deg", "Forward lean of the line from pelvis to thorax.", _KINEMATICS, _FORWARD
    ),
    Measure(
        "trunk_lean_range_deg", "deg", "Range of the forward lean over a stride.", _KINEMATICS, _FORWARD
    ),
    Measure(
        "neck_flexion_deg",
        "deg",
        "Forward lean of thorax to head beyond that of the trunk.",
        _KINEMATICS,
        _FORWARD,
    ),
    Measure(
        "trunk_lateral_lean_deg", "deg", "Mean lean of the trunk to the left.", _KINEMATICS, _ACROSS
    ),
    Measure(
        "trunk_sway_deg",
        "deg",
        "Range of the sideways lean of the trunk over a stride.",
        _KINEMATICS,
        _ACROSS,
    ),
    Measure(
        "pelvis_obliquity_range_deg",
        "deg",
        "Range of the tilt of the line between the hips, seen from the front, over a stride.",
        _KINEMATICS,
        _ACROSS,
    ),
    Measure(
        "pelvis_obliquity_deg",
        "deg",
        "Mean tilt of the line between the hips, left side up.",
        _KINEMATICS,
        _ACROSS,
    ),
    Measure(
        "shoulder_obliquity_deg",
        "deg",
        "Mean tilt of the line between the shoulders, left side up.",
        _KINEMATICS,
        _ACROSS,
    ),
    Measure(
        "shoulder_obliquity_range_deg", "deg", "Range of that tilt over a stride.", _KINEMATICS, _ACROSS
    ),
    Measure("pelvis_sway_ll", "ll", "Sideways range of the pelvis over a stride.", _KINEMATICS, _ACROSS),
    Measure(
        "pelvis_bob_ll",
        "ll",
        "Vertical range of the pelvis over a stride.",
        _KINEMATICS,
        _FORWARD,
        ("oblique",),
    ),
    Measure(
        "pelvis_rotation_range_deg",
        "deg",
        "Range of the line between the hips seen from above, over a stride.",
        _KINEMATICS,
        _3D,
    ),
    Measure(
        "shoulder_rotation_range_deg",
        "deg",
        "Range of the line between the shoulders seen from above, over a stride.",
        _KINEMATICS,
        _3D,
    ),
    Measure(
        "stride_regularity",
        "1",
        "Autocorrelation, at one stride, of one ankle before the other.",
        _REGULARITY,
        _FORWARD,
        ("oblique",),
    ),
    Measure(
        "step_regularity",
        "1",
        "The same at half a stride with the feet exchanged: 1 for equal steps.",
        _REGULARITY,
        _FORWARD,
        ("oblique",),
    ),
    Measure(
        "harmonic_ratio",
        "1",
        "Even over odd harmonics of the vertical acceleration of the pelvis in a "
        "stride, up to the sixth; large for equal steps.",
        _HARMONICS,
        _FORWARD,
        ("oblique",),
    ),
    Measure(
        "step_length_m",
        "m",
        "Mean step length in metres.",
        _SPATIOTEMPORAL,
        _FORWARD,
        needs=("leg_length_m",),
    ),
    Measure(
        "speed_mps",
        "mps",
        "Speed in metres per second.",
        _SPATIOTEMPORAL,
        _FORWARD,
        needs=("leg_length_m",),
    ),
)

#: Every measure by its name.
MEASURES: Mapping[str, Measure] = MappingProxyType(
    {
        measure.name: measure
        for measure in (*_OF_BOTH, *(measure for sided in SIDED for measure in sided.measures()))
    }
)

#: The columns of ``gait_features.csv``: not metres, which repeat leg lengths, nor left and right alone,
#: which follow from their mean and difference.
FEATURES: tuple[str, ...] = tuple(
    name
    for name, measure in MEASURES.items()
    if "leg_length_m" not in measure.needs and not measure.side
)

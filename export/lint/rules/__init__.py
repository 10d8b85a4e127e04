"""The rules, one a file; the order is that of the report."""

from __future__ import annotations

from edgeneuro.export.lint.finding import Rule
from edgeneuro.export.lint.rules import (
    asymmetric_weights,
    bad_scales,
    concat_scales,
    double_quantization,
    eight_bits,
    half_scales,
    int32_bias,
    mixed_signedness,
    no_int8_kernel,
    nonzero_zero_point,
    open_output,
    per_channel_activations,
    residual_add,
    signed_activations,
    stale_shapes,
    uint8_activations,
    useless_pair,
    weight_axis,
    weight_saturation,
    weights_only,
)

RULES: tuple[Rule, ...] = (
    bad_scales.RULE,
    eight_bits.RULE,
    half_scales.RULE,
    uint8_activations.RULE,
    nonzero_zero_point.RULE,
    per_channel_activations.RULE,
    asymmetric_weights.RULE,
    weight_axis.RULE,
    int32_bias.RULE,
    stale_shapes.RULE,
    residual_add.RULE,
    concat_scales.RULE,
    double_quantization.RULE,
    no_int8_kernel.RULE,
    weights_only.RULE,
    open_output.RULE,
    mixed_signedness.RULE,
    signed_activations.RULE,
    useless_pair.RULE,
    weight_saturation.RULE,
)

"""The built-in plugins: methods, controls, checks and metrics, one file each.

Built-ins are this list; nothing is found by importing and looking.  A place names a plugin class, or a function
that offers several classes of one package, none where that package is not installed.
"""

BUILT_IN = (
    "geoaudit_plugins.methods.gradient:Gradient",
    "geoaudit_plugins.methods.gradient_x_input:GradientXInput",
    "geoaudit_plugins.methods.guided_ig:GuidedIG",
    "geoaudit_plugins.methods.guided_ig_bounded:GuidedIGBounded",
    "geoaudit_plugins.methods.integrated_gradients:IntegratedGradients",
    "geoaudit_plugins.methods.occlusion:Occlusion",
    "geoaudit_plugins.methods.rise:Rise",
    "geoaudit_plugins.captum_methods:offer",
    "geoaudit_plugins.controls.center:Center",
    "geoaudit_plugins.controls.edges:Edges",
    "geoaudit_plugins.controls.input_difference:InputDifference",
    "geoaudit_plugins.controls.random:Random",
    "geoaudit_plugins.controls.smooth_random:SmoothRandom",
    "geoaudit_plugins.controls.uniform_complete:UniformComplete",
    "geoaudit_plugins.checks.completeness:Completeness",
    "geoaudit_plugins.checks.gradient_parity:GradientParity",
    "geoaudit_plugins.checks.parity:Parity",
    "geoaudit_plugins.checks.preprocessing:Preprocessing",
    "geoaudit_plugins.metrics.completeness_error:CompletenessError",
    "geoaudit_plugins.metrics.comprehensiveness:Comprehensiveness",
    "geoaudit_plugins.metrics.deletion:Deletion",
    "geoaudit_plugins.metrics.insertion:Insertion",
    "geoaudit_plugins.metrics.log_odds:LogOdds",
    "geoaudit_plugins.metrics.ncc_excess:NccExcess",
    "geoaudit_plugins.metrics.ncc_violation:NccViolation",
    "geoaudit_plugins.metrics.path_cancellation:PathCancellation",
    "geoaudit_plugins.metrics.srg:Srg",
    "geoaudit_plugins.metrics.sufficiency:Sufficiency",
)
"""Every built-in, as module:class or module:function."""

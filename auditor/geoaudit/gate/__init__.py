"""The policy gate: what a TOML file asks of a report, and whether the report meets it.

A policy is read and checked by `load_policy`; `judge` is a pure function of the report, the policy and the day;
`judged` is the report with the verdict in it.
"""

from geoaudit.gate.judge import judge, judged, require_audit_rules, today
from geoaudit.gate.load import load_policy, parse_policy
from geoaudit.gate.policy import Policy, PolicyFile

__all__ = ["Policy", "PolicyFile", "judge", "judged", "load_policy", "parse_policy", "require_audit_rules", "today"]

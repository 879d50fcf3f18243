"""From a command to a report: plan, execution, result model."""

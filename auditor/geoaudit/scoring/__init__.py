"""The scoring room: the masked-forward sweep, statistics, ranking and metric health."""

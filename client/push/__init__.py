"""From a workload file to messages on the queues."""

"""The emulated Batch Compute service: jobs of tasks of instances, run as local processes over a small OSS."""

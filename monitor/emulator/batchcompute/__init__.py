"""The emulated Batch Compute service: jobs of tasks of instances, run as processes of this machine, over a small OSS."""

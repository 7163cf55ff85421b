"""All jobs, by name and in the order of the table.

In: the programs. Out: `JOBS`. Next on the way: `worker.py`.
"""

from __future__ import annotations

from perf.job import Job
from perf.programs import attributes, loading, lookups, sorting, trees, writing

JOBS: dict[str, Job] = {
    job.name: job for module in (writing, loading, lookups, attributes, trees, sorting) for job in module.JOBS
}

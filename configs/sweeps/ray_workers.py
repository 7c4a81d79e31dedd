#!/usr/bin/env python3
"""Workers of one sweep on a Ray cluster. Start the sweep first, where the folder is shared, with no worker of its own, or a few:

  dscompress sweep recipe.yaml -o /shared/out --workers 0 &
  configs/sweeps/ray_workers.py /shared/out --workers 8 [--cpus 4] [--address auto]

Without --address a Ray of this machine is started, which listens on the loopback interface alone. Each worker takes trials until none is
left; one whose node dies is started again, and its trial is resumed. Exit status 1: a worker failed, and what it said last.
"""
import argparse
import shutil
import subprocess
import sys

import ray


@ray.remote(max_retries=-1)
def work(program, folder, threads):
    result = subprocess.run([program, "-q", "--threads", str(threads), "sweep", "--worker", folder], stderr=subprocess.PIPE, text=True)
    return result.returncode, result.stderr[-2000:]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--cpus", type=int, default=1, help="cores, and so threads, of each worker")
    parser.add_argument("--address", help="of a Ray cluster; every node has dscompress in PATH and sees the folder")
    options = parser.parse_args()
    program = shutil.which("dscompress")
    if not program:
        sys.exit("dscompress is not in PATH")
    if options.address:
        ray.init(options.address)
    else:
        ray.init(num_cpus=options.workers * options.cpus, include_dashboard=False, _node_ip_address="127.0.0.1")
    waiting = [work.options(num_cpus=options.cpus).remote(program, options.folder, options.cpus) for _ in range(options.workers)]
    failed = 0
    while waiting:
        done, waiting = ray.wait(waiting)
        status, said = ray.get(done[0])
        if status != 0:
            failed = 1
            print(f"a worker ended with status {status}: {said}", file=sys.stderr)
    return failed


if __name__ == "__main__":
    sys.exit(main())

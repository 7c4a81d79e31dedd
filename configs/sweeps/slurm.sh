#!/usr/bin/env bash
# Workers of one sweep as a Slurm array. Start the sweep itself first, anywhere that shares the folder, with no worker of its own, or a few:
#   dscompress sweep recipe.yaml -o /shared/out --workers 0 &
#   sbatch --array=1-8 configs/sweeps/slurm.sh /shared/out
# Each takes trials until none is left. One that is requeued, or whose node dies, loses nothing: its trial is resumed by another.
#SBATCH --job-name=dscompress-sweep
#SBATCH --cpus-per-task=4
#SBATCH --requeue
set -euo pipefail
exec srun dscompress sweep --worker "${1:?folder of the sweep}"

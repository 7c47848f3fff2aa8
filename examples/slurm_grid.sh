#!/bin/bash
#SBATCH --job-name=mmtrans
#SBATCH --ntasks=16
#SBATCH --cpus-per-task=2
#SBATCH --mem-per-cpu=2G
#SBATCH --time=12:00:00
set -eu
source "$HOME/mmtrans/.venv/bin/activate"
export TF_NUM_INTRAOP_THREADS=$SLURM_CPUS_PER_TASK DASK_LOGGING__DISTRIBUTED=critical
file=$PWD/scheduler-$SLURM_JOB_ID.json
dask scheduler --scheduler-file "$file" --no-dashboard &
trap 'kill $(jobs -p)' EXIT
until [ -s "$file" ]; do sleep 1; done
srun --cpus-per-task="$SLURM_CPUS_PER_TASK" \
    dask worker --scheduler-file "$file" --nthreads 1 --memory-limit 0 --no-dashboard &
address=$(python -c 'import json, sys; print(json.load(open(sys.argv[1]))["address"])' "$file")
mmtrans grid --data records --out grid --seeds 5 --controls --scheduler "$address" --quiet

//! Launchers that start more than one process.

use anyhow::bail;

/// What launchers call the number of processes: torchrun and accelerate, MPICH, Open MPI, MVAPICH2, srun.
const SIZES: [&str; 5] =
    ["WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS"];

/// Several processes that know nothing of each other would each train alone and write the same files.
pub fn refuse_several() -> anyhow::Result<()> {
    for name in SIZES {
        let size: u64 = std::env::var(name).ok().and_then(|size| size.parse().ok()).unwrap_or(1);
        if size > 1 {
            bail!("`{name}` is {size}, but this build trains in one process: start it without a launcher of several");
        }
    }
    Ok(())
}

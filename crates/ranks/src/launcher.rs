//! Launchers: the program that started this process and others, known by the variables that it leaves in the environment.

use std::env;

/// The variables by which one kind of launcher tells a process of its job.
struct Kind {
    name: &'static str,
    size: &'static str,
    /// Variables of which one is there as well.
    rank: &'static [&'static str],
    /// Whether an MPI library finds the other processes by these variables.
    starts_mpi: bool,
}

/// All kinds of launchers, the nearest to MPI first: `mpirun` may be started by `srun`, or where `torchrun` left its
/// variables.
const KINDS: [Kind; 6] = [
    Kind { name: "mpirun", size: "OMPI_COMM_WORLD_SIZE", rank: &["OMPI_COMM_WORLD_RANK"], starts_mpi: true },
    Kind { name: "mpirun", size: "MV2_COMM_WORLD_SIZE", rank: &["MV2_COMM_WORLD_RANK"], starts_mpi: true },
    Kind { name: "mpirun", size: "PMI_SIZE", rank: &["PMI_RANK"], starts_mpi: true },
    Kind { name: "srun --mpi=pmix", size: "SLURM_STEP_NUM_TASKS", rank: &["PMIX_RANK"], starts_mpi: true },
    Kind { name: "srun", size: "SLURM_STEP_NUM_TASKS", rank: &["SLURM_PROCID"], starts_mpi: false },
    Kind { name: "torchrun or accelerate", size: "WORLD_SIZE", rank: &["RANK", "LOCAL_RANK"], starts_mpi: false },
];

/// The launcher of this process, and how many processes it started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launcher {
    name: &'static str,
    variable: &'static str,
    size: usize,
    starts_mpi: bool,
}

impl Launcher {
    /// Returns the launcher of this process.
    pub fn of_this_process() -> Launcher {
        Launcher::of(|name| env::var(name).ok())
    }

    /// Returns the launcher of a process with these variables.
    pub fn of(variable: impl Fn(&str) -> Option<String>) -> Launcher {
        let size_of = |kind: &Kind| {
            let size: usize = variable(kind.size)?.parse().ok()?;
            let known = kind.rank.iter().any(|rank| variable(rank).is_some()) || (size > 1 && !kind.starts_mpi);
            known.then_some(size)
        };
        let found = KINDS.iter().find_map(|kind| size_of(kind).map(|size| (kind, size)));
        match found {
            Some((kind, size)) => Launcher { name: kind.name, variable: kind.size, size, starts_mpi: kind.starts_mpi },
            None => Launcher { name: "nobody", variable: "", size: 1, starts_mpi: false },
        }
    }

    /// Returns the launcher's command.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Returns how many processes the job has.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Whether an MPI library finds the other processes.
    pub fn starts_mpi(&self) -> bool {
        self.starts_mpi
    }

    /// Refuses several processes that do not know of each other: each would do everything alone, and write the same files.
    /// `has_mpi` says whether this build can join an MPI job.
    ///
    /// # Errors
    /// There is more than one process; the error names the right command.
    pub fn refuse_several(&self, has_mpi: bool) -> Result<(), String> {
        let Launcher { name, variable, size, .. } = self;
        if *size <= 1 {
            return Ok(());
        }
        let built = if has_mpi { "" } else { ", with a tagsmith that is built with `--features mpi`" };
        let right = match *name {
            "srun" => format!("srun --mpi=pmix -n {size} tagsmith …"),
            _ => format!("mpirun -n {size} tagsmith …"),
        };
        let problem = match self.starts_mpi {
            true => "but this build of tagsmith has no MPI, so that each would do everything alone",
            false => "which does not start MPI, so that each would do everything alone",
        };
        Err(format!("{name} started {size} processes (`{variable}`), {problem}: run `{right}`{built}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Launcher {
        Launcher::of(|name| variables.iter().find(|it| it.0 == name).map(|it| it.1.to_owned()))
    }

    #[test]
    fn launchers_are_known_by_their_variables() {
        let check = |variables: &[(&str, &str)], want: (&str, usize, bool)| {
            let got = of(variables);
            assert_eq!((got.name(), got.size(), got.starts_mpi()), want, "{variables:?}");
        };
        check(&[], ("nobody", 1, false));
        check(&[("OMPI_COMM_WORLD_SIZE", "4"), ("OMPI_COMM_WORLD_RANK", "0")], ("mpirun", 4, true));
        check(&[("PMI_SIZE", "2"), ("PMI_RANK", "1")], ("mpirun", 2, true));
        check(&[("MV2_COMM_WORLD_SIZE", "2"), ("MV2_COMM_WORLD_RANK", "1")], ("mpirun", 2, true));
        let torchrun = [("WORLD_SIZE", "2"), ("RANK", "0"), ("LOCAL_RANK", "0")];
        check(&torchrun, ("torchrun or accelerate", 2, false));
        check(&[("WORLD_SIZE", "2")], ("torchrun or accelerate", 2, false));
        check(&[("WORLD_SIZE", "1"), ("RANK", "0")], ("torchrun or accelerate", 1, false));
        check(&[("WORLD_SIZE", "many")], ("nobody", 1, false));
        // mpirun that was started where torchrun's variables were left.
        let both = [&torchrun[..], &[("OMPI_COMM_WORLD_SIZE", "3"), ("OMPI_COMM_WORLD_RANK", "2")]].concat();
        check(&both, ("mpirun", 3, true));
        let srun = [("SLURM_STEP_NUM_TASKS", "8"), ("SLURM_PROCID", "3")];
        check(&srun, ("srun", 8, false));
        check(&[&srun[..], &[("PMIX_RANK", "3")]].concat(), ("srun --mpi=pmix", 8, true));
    }

    #[test]
    fn several_that_do_not_know_of_each_other_are_refused_with_the_right_command() {
        let refused = |variables: &[(&str, &str)]| of(variables).refuse_several(false).unwrap_err();
        let torchrun = refused(&[("WORLD_SIZE", "4"), ("RANK", "1")]);
        assert!(torchrun.starts_with("torchrun or accelerate started 4 processes (`WORLD_SIZE`)"), "{torchrun}");
        assert!(torchrun.contains("run `mpirun -n 4 tagsmith …`"), "{torchrun}");
        let srun = refused(&[("SLURM_STEP_NUM_TASKS", "2"), ("SLURM_PROCID", "0")]);
        assert!(srun.contains("run `srun --mpi=pmix -n 2 tagsmith …`"), "{srun}");
        assert_eq!(of(&[("WORLD_SIZE", "1"), ("RANK", "0")]).refuse_several(false), Ok(()));
        assert_eq!(of(&[]).refuse_several(false), Ok(()));
    }
}

//! Launchers: the program that started this process and others, known by the variables that it leaves in the environment.

use std::env;
use std::path::PathBuf;

/// The variables by which one kind of launcher tells a process of its job.
struct Kind {
    name: &'static str,
    size: &'static str,
    /// Variables of which one is there as well.
    rank: &'static [&'static str],
    /// Whose MPI library finds the other processes by these variables.
    maker: Option<Maker>,
}

/// Who made the MPI that a launcher belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maker {
    /// Open MPI.
    OpenMpi,
    /// MPICH, or one of those made from it.
    Mpich,
    /// Any: the launcher starts the processes of all.
    Unknown,
}

/// All kinds of launchers, the nearest to MPI first: `mpirun` may be started by `srun`, or where `torchrun` left its
/// variables.
const KINDS: [Kind; 6] = [
    Kind { name: "mpirun", size: "OMPI_COMM_WORLD_SIZE", rank: &["OMPI_COMM_WORLD_RANK"], maker: Some(Maker::OpenMpi) },
    Kind { name: "mpirun", size: "MV2_COMM_WORLD_SIZE", rank: &["MV2_COMM_WORLD_RANK"], maker: Some(Maker::Mpich) },
    Kind { name: "mpirun", size: "PMI_SIZE", rank: &["PMI_RANK"], maker: Some(Maker::Mpich) },
    Kind { name: "srun --mpi=pmix", size: "SLURM_STEP_NUM_TASKS", rank: &["PMIX_RANK"], maker: Some(Maker::Unknown) },
    Kind { name: "srun", size: "SLURM_STEP_NUM_TASKS", rank: &["SLURM_PROCID"], maker: None },
    Kind { name: "torchrun or accelerate", size: "WORLD_SIZE", rank: &["RANK", "LOCAL_RANK"], maker: None },
];

/// The launcher of this process, and how many processes it started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launcher {
    name: &'static str,
    variable: &'static str,
    size: usize,
    maker: Option<Maker>,
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
            let known = kind.rank.iter().any(|rank| variable(rank).is_some()) || (size > 1 && kind.maker.is_none());
            known.then_some(size)
        };
        let found = KINDS.iter().find_map(|kind| size_of(kind).map(|size| (kind, size)));
        match found {
            Some((kind, size)) => Launcher { name: kind.name, variable: kind.size, size, maker: kind.maker },
            None => Launcher { name: "nobody", variable: "", size: 1, maker: None },
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

    /// Returns who made the MPI whose library finds the other processes. `None` if no MPI does.
    pub fn maker(&self) -> Option<Maker> {
        self.maker
    }

    /// Returns why several processes that do not know of each other are refused, with the right command. Each would do everything
    /// alone, and write the same files.
    pub fn without_mpi(&self) -> String {
        let Launcher { name, size, .. } = self;
        let right = match *name {
            "srun" => format!("srun --mpi=pmix -n {size} tagsmith …"),
            _ => format!("mpirun -n {size} tagsmith …"),
        };
        let problem = "which does not start MPI, so that each would do everything alone";
        format!("{}, {problem}: run `{right}`", self.started())
    }

    /// Returns why processes that MPI should join are refused.
    pub fn refusal(&self, problem: &str) -> String {
        format!("{}, but {problem}", self.started())
    }

    fn started(&self) -> String {
        format!("{} started {} processes (`{}`)", self.name, self.size, self.variable)
    }

    /// Returns the file of the program that started this process, as Linux tells: a launcher, or what it leaves on each machine.
    pub(crate) fn parent() -> Option<PathBuf> {
        #[cfg(unix)]
        return std::fs::read_link(format!("/proc/{}/exe", std::os::unix::process::parent_id())).ok();
        #[cfg(not(unix))]
        None
    }

    /// Returns the file of the launcher that a shell would start.
    pub(crate) fn on_path() -> Option<PathBuf> {
        let path = env::var_os("PATH")?;
        let files = env::split_paths(&path).flat_map(|folder| ["mpirun", "mpiexec"].map(|name| folder.join(name)));
        files.filter_map(|file| file.canonicalize().ok()).next()
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
        let check = |variables: &[(&str, &str)], want: (&str, usize, Option<Maker>)| {
            let got = of(variables);
            assert_eq!((got.name(), got.size(), got.maker()), want, "{variables:?}");
        };
        check(&[], ("nobody", 1, None));
        check(&[("OMPI_COMM_WORLD_SIZE", "4"), ("OMPI_COMM_WORLD_RANK", "0")], ("mpirun", 4, Some(Maker::OpenMpi)));
        check(&[("PMI_SIZE", "2"), ("PMI_RANK", "1")], ("mpirun", 2, Some(Maker::Mpich)));
        check(&[("MV2_COMM_WORLD_SIZE", "2"), ("MV2_COMM_WORLD_RANK", "1")], ("mpirun", 2, Some(Maker::Mpich)));
        let torchrun = [("WORLD_SIZE", "2"), ("RANK", "0"), ("LOCAL_RANK", "0")];
        check(&torchrun, ("torchrun or accelerate", 2, None));
        check(&[("WORLD_SIZE", "2")], ("torchrun or accelerate", 2, None));
        check(&[("WORLD_SIZE", "1"), ("RANK", "0")], ("torchrun or accelerate", 1, None));
        check(&[("WORLD_SIZE", "many")], ("nobody", 1, None));
        // mpirun that was started where torchrun's variables were left.
        let both = [&torchrun[..], &[("OMPI_COMM_WORLD_SIZE", "3"), ("OMPI_COMM_WORLD_RANK", "2")]].concat();
        check(&both, ("mpirun", 3, Some(Maker::OpenMpi)));
        let srun = [("SLURM_STEP_NUM_TASKS", "8"), ("SLURM_PROCID", "3")];
        check(&srun, ("srun", 8, None));
        check(&[&srun[..], &[("PMIX_RANK", "3")]].concat(), ("srun --mpi=pmix", 8, Some(Maker::Unknown)));
    }

    #[test]
    fn several_that_do_not_know_of_each_other_are_refused_with_the_right_command() {
        let refused = |variables: &[(&str, &str)]| of(variables).without_mpi();
        let torchrun = refused(&[("WORLD_SIZE", "4"), ("RANK", "1")]);
        assert!(torchrun.starts_with("torchrun or accelerate started 4 processes (`WORLD_SIZE`)"), "{torchrun}");
        assert!(torchrun.contains("run `mpirun -n 4 tagsmith …`"), "{torchrun}");
        let srun = refused(&[("SLURM_STEP_NUM_TASKS", "2"), ("SLURM_PROCID", "0")]);
        assert!(srun.contains("run `srun --mpi=pmix -n 2 tagsmith …`"), "{srun}");
    }
}

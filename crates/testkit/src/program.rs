//! The program as its users run it, and what it says.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;

/// What launchers, trackers and terminals leave in the environment.
const AMBIENT: [&str; 7] = [
    "COLUMNS",
    "WORLD_SIZE",
    "PMI_SIZE",
    "OMPI_COMM_WORLD_SIZE",
    "MV2_COMM_WORLD_SIZE",
    "SLURM_STEP_NUM_TASKS",
    "TENSORBOARD_LOGGING_DIR",
];

/// The file of `tagsmith`: Cargo builds it before the tests of `cli`, in the folder above theirs.
pub fn path() -> PathBuf {
    let test = std::env::current_exe().expect("a test is a file");
    let folder = test.parent().and_then(Path::parent).expect("a test lies in a folder of Cargo's");
    folder.join(format!("tagsmith{}", std::env::consts::EXE_SUFFIX))
}

/// A command that begins in a folder, without a launcher around it, without a hub to ask and without a GPU: the bits of a
/// result are then the same on every machine.
pub fn isolated(program: impl AsRef<std::ffi::OsStr>, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).env("HF_HUB_OFFLINE", "1").env("CUDA_VISIBLE_DEVICES", "");
    AMBIENT.iter().for_each(|name| _ = command.env_remove(name));
    command
}

/// A command that has ended.
#[derive(Debug)]
pub struct Ran {
    /// The exit status; −1 after a signal.
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Ran {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("what the program writes is UTF-8");
        Ran { status: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

impl Ran {
    /// Runs a command whose standard input is empty.
    pub fn of(command: &mut Command) -> Ran {
        command.output().expect("the program runs").into()
    }

    /// Runs a command that reads this from its standard input, or leaves it unread.
    pub fn fed(command: &mut Command, input: impl AsRef<[u8]>) -> Ran {
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().expect("the program runs");
        let (mut stdin, input) = (child.stdin.take().expect("its input is a pipe"), input.as_ref().to_vec());
        // Nobody has to read it to its end.
        thread::spawn(move || stdin.write_all(&input).ok());
        child.wait_with_output().expect("the program ends").into()
    }

    /// Requires this exit status.
    #[track_caller]
    pub fn ended(self, status: i32) -> Ran {
        assert_eq!(self.status, status, "{}", self.stderr);
        self
    }

    /// The line on stderr that says why it failed.
    #[track_caller]
    pub fn error(&self) -> &str {
        let line = self.stderr.lines().find(|line| line.starts_with("error: "));
        line.unwrap_or_else(|| panic!("there is no error in\n{}", self.stderr))
    }

    /// The last line on stderr.
    #[track_caller]
    pub fn last(&self) -> &str {
        self.stderr.lines().last().expect("it says something")
    }

    /// Requires these words on stderr.
    #[track_caller]
    pub fn says(&self, words: &str) {
        assert!(self.stderr.contains(words), "`{words}` is not in\n{}", self.stderr);
    }
}

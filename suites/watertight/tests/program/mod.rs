//! A service's program as a process, which listens where it is free to and writes its log to a file.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// A running service. It ends with this.
pub struct Program {
    process: Child,
    pub folder: TempDir,
    pub log: PathBuf,
    pub url: String,
    pub internal: String,
}

impl Drop for Program {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// The program beside the command's, built with the same selection as everything else.
fn built(name: &str) -> PathBuf {
    let binary = Path::new(env!("CARGO_BIN_EXE_watertight")).with_file_name(name);
    if !binary.is_file() {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--workspace", "--bins", "--test", "integration"]);
        assert!(build.status().unwrap().success(), "{name} does not build");
    }
    binary
}

impl Program {
    /// Ends it in the middle of what it does.
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts the program of that name with these arguments and this environment.
    pub fn start(name: &str, order: impl FnOnce(&mut Command)) -> Program {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("service.log");
        let mut command = Command::new(built(name));
        command.args(["--listen", "127.0.0.1:0", "--internal-listen", "127.0.0.1:0"]);
        order(&mut command);
        command.stdout(Stdio::piped()).stderr(std::fs::File::create(&log).unwrap());
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut address = || {
            let line = lines.next().unwrap().unwrap();
            line.split_whitespace().last().unwrap().to_owned()
        };
        let (url, internal) = (address(), address());
        Program { process, folder, log, url, internal }
    }
}

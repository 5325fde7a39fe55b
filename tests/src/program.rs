//! The program itself, as a user starts it: a process with arguments, two streams and an exit code.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use crate::wait;

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// A running `cofferdam`; killed when dropped.
#[derive(Debug)]
pub struct Program {
    child: Child,
    stdout: Stream,
    stderr: Stream,
}

/// What came out of one stream so far, and the task that reads on.
#[derive(Debug)]
struct Stream {
    lines: Arc<Mutex<Vec<String>>>,
    reader: JoinHandle<()>,
}

impl Program {
    /// Starts `cofferdam` with `arguments` in `folder`, with nothing of this process's environment but the path.
    ///
    /// # Panics
    /// When the program is not built.
    pub fn start<S: AsRef<OsStr>>(folder: &Path, arguments: &[S], environment: &[(&str, &str)]) -> Self {
        let mut child = Command::new(binary())
            .args(arguments)
            .current_dir(folder)
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .env("RUST_BACKTRACE", "1")
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the program is an executable file");
        let stdout = Stream::of(child.stdout.take().expect("stdout is piped"));
        let stderr = Stream::of(child.stderr.take().expect("stderr is piped"));
        Self { child, stdout, stderr }
    }

    /// Runs `cofferdam` to its end.
    ///
    /// # Panics
    /// When it has not ended within [`wait::PATIENCE`].
    pub async fn run<S: AsRef<OsStr>>(folder: &Path, arguments: &[S]) -> Ended {
        Self::start(folder, arguments, &[]).ended().await
    }

    /// The system's number of the process.
    ///
    /// # Panics
    /// When it has ended and was waited for.
    pub fn id(&self) -> u32 {
        self.child.id().expect("a program that runs has a number")
    }

    /// The lines of standard error so far.
    pub fn said(&self) -> Vec<String> {
        locked(&self.stderr.lines).clone()
    }

    /// Whether it has not ended yet.
    ///
    /// # Panics
    /// When the system refuses to say.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().expect("a child can be asked").is_none()
    }

    /// Kills it as a power cut would (SIGKILL) and returns when it is gone.
    ///
    /// # Panics
    /// When the system refuses.
    pub async fn kill(mut self) -> Ended {
        // It may have ended by itself just before.
        drop(self.child.start_kill());
        self.ended().await
    }

    /// Asks it to end as an operator would (SIGTERM) and returns when it has.
    ///
    /// # Panics
    /// As [`Self::ended`].
    pub async fn asked_to_end(self) -> Ended {
        let number = self.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &number]).status().await;
        assert!(asked.is_ok_and(|asked| asked.success()), "process {number} cannot be asked to end");
        self.ended().await
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it has not ended within [`wait::PATIENCE`].
    pub async fn ended(mut self) -> Ended {
        let Ok(status) = tokio::time::timeout(wait::PATIENCE, self.child.wait()).await else {
            panic!("the program did not end; it said:\n{}", self.stderr.text());
        };
        let status = status.expect("a child can be waited for");
        Ended { code: status.code(), stdout: self.stdout.ended().await, stderr: self.stderr.ended().await }
    }

    /// Waits until a line of standard error contains `text`, and gives that line.
    ///
    /// # Panics
    /// When none does within [`wait::PATIENCE`], or the program ends before.
    pub async fn says(&mut self, text: &str) -> String {
        let lines = Arc::clone(&self.stderr.lines);
        let what = format!("the program says `{text}`");
        let found = wait::until(&what, wait::PATIENCE, async || {
            let line = locked(&lines).iter().find(|line| line.contains(text)).cloned();
            if line.is_some() {
                return line.map(Ok);
            }
            let status = self.child.try_wait().expect("a child can be asked");
            status.map(|status| Err(format!("ended with {status} before it said `{text}`")))
        });
        match found.await {
            Ok(line) => line,
            Err(reason) => panic!("{reason}:\n{}", self.stderr.text()),
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the program said:\n{}", self.stderr.text());
        }
    }
}

impl Stream {
    fn of(source: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&lines);
        let reader = tokio::spawn(async move {
            let mut source = BufReader::new(source).lines();
            while let Ok(Some(line)) = source.next_line().await {
                locked(&kept).push(line);
            }
        });
        Self { lines, reader }
    }

    /// Everything, once the stream is closed.
    async fn ended(&mut self) -> String {
        (&mut self.reader).await.expect("a reader of lines does not panic");
        self.text()
    }

    fn text(&self) -> String {
        locked(&self.lines).join("\n")
    }
}

fn locked(lines: &Mutex<Vec<String>>) -> std::sync::MutexGuard<'_, Vec<String>> {
    lines.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The program of the same build as this test, or the one named by `COFFERDAM_BIN`.
fn binary() -> PathBuf {
    if let Some(chosen) = std::env::var_os("COFFERDAM_BIN") {
        return chosen.into();
    }
    let test = std::env::current_exe().expect("a test knows its own file");
    let built = test.ancestors().nth(2).expect("tests lie in target/PROFILE/deps").join("cofferdam");
    assert!(built.exists(), "{} is not built: `cargo build --workspace --all-targets`", built.display());
    built
}

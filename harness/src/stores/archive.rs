//! An archive stand-in: S3 in this process, its objects in a temporary folder that goes with it.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use s3s::Body;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What a service with an endpoint of its own signs with.
const DUMMY: &str = "watertight";

/// The stand-in does not start, or its folder does not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The folder or the port.
    #[error("the archive stand-in: {0}")]
    Io(#[from] io::Error),
    /// The server.
    #[error("the archive stand-in does not serve its folder: {0}")]
    Server(String),
}

/// How the stand-in behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArchiveMood {
    /// Does as it is asked.
    Serve,
    /// Closes the connection of every request unanswered.
    HangUp,
    /// Leaves every request waiting until it behaves otherwise.
    Hold,
}

/// A running archive stand-in with one bucket. It ends, and its objects with it, when dropped.
///
/// Signatures are verified: whoever signs with other keys than the dummies is refused.
#[derive(Debug)]
pub struct Archive {
    address: SocketAddr,
    bucket: String,
    folder: TempDir,
    mood: watch::Sender<ArchiveMood>,
    serving: JoinHandle<()>,
}

impl Drop for Archive {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Archive {
    /// Starts a stand-in with an empty bucket, its objects in a new folder `within` another: the run's, so that
    /// a process that ends without dropping it leaves nothing anywhere else. Port 0 picks a free one.
    pub async fn start(listen: SocketAddr, bucket: &str, within: &Path) -> Result<Archive, ArchiveError> {
        let folder = tempfile::Builder::new().prefix("archive-").tempdir_in(within)?;
        std::fs::create_dir(folder.path().join(bucket))?;
        let files =
            FileSystem::new(folder.path()).map_err(|error| ArchiveError::Server(format!("{error:?}")))?;
        let mut service = S3ServiceBuilder::new(files);
        service.set_auth(SimpleAuth::from_single(DUMMY, DUMMY));
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let (mood, moods) = watch::channel(ArchiveMood::Serve);
        let serving = tokio::spawn(serve(listener, service.build(), moods));
        Ok(Archive { address, bucket: bucket.to_owned(), folder, mood, serving })
    }

    /// The base URL to configure as S3 endpoint; requests are path style.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The one bucket.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// Changes how it behaves from the next request on, and towards those it holds.
    pub fn set_mood(&self, mood: ArchiveMood) {
        self.mood.send_replace(mood);
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join(&self.bucket)
    }

    /// The text of an object, if it is there.
    pub fn object(&self, key: &str) -> Result<Option<String>, ArchiveError> {
        match std::fs::read_to_string(self.root().join(key)) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The keys that begin so, in order.
    pub fn keys(&self, prefix: &str) -> Result<Vec<String>, ArchiveError> {
        let mut keys = Vec::new();
        collect(&self.root(), "", &mut keys)?;
        keys.retain(|key| key.starts_with(prefix));
        keys.sort_unstable();
        Ok(keys)
    }

    /// Removes the objects whose keys begin so; returns how many there were.
    pub fn delete_prefix(&self, prefix: &str) -> Result<usize, ArchiveError> {
        let keys = self.keys(prefix)?;
        for key in &keys {
            std::fs::remove_file(self.root().join(key))?;
        }
        Ok(keys.len())
    }
}

fn collect(folder: &Path, above: &str, keys: &mut Vec<String>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let key = format!("{above}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &format!("{key}/"), keys)?;
        } else {
            keys.push(key);
        }
    }
    Ok(())
}

async fn serve(listener: TcpListener, service: S3Service, mood: watch::Receiver<ArchiveMood>) {
    // Ends with the task; a connection that breaks, before it is taken or later, ends alone.
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::task::yield_now().await;
            continue;
        };
        let (service, mood) = (service.clone(), mood.clone());
        tokio::spawn(async move {
            let moody = service_fn(move |request| answer(service.clone(), mood.clone(), request));
            http1::Builder::new().serve_connection(TokioIo::new(stream), moody).await.ok();
        });
    }
}

/// A request that is not answered; its connection ends with it.
#[derive(Debug, thiserror::Error)]
#[error("the connection is closed on purpose")]
struct HungUp;

async fn answer(
    service: S3Service,
    mut mood: watch::Receiver<ArchiveMood>,
    request: Request<Incoming>,
) -> Result<s3s::HttpResponse, HungUp> {
    let mood = *mood.wait_for(|mood| *mood != ArchiveMood::Hold).await.map_err(|_| HungUp)?;
    if mood == ArchiveMood::HangUp {
        return Err(HungUp);
    }
    service.call(request.map(Body::from)).await.map_err(|_| HungUp)
}

#[cfg(test)]
mod tests {
    use super::Archive;

    #[tokio::test]
    async fn an_unsigned_request_is_refused_and_leaves_nothing() {
        let archive =
            Archive::start(([127, 0, 0, 1], 0).into(), "audit", &std::env::temp_dir()).await.unwrap();
        let url = format!("{}/audit/a/b.jsonl", archive.url());
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = client.put(url).body("x").send().await.unwrap();
        assert_eq!(answer.status(), 403);
        assert!(archive.keys("").unwrap().is_empty());
    }

    #[tokio::test]
    async fn objects_are_found_and_removed_by_prefix() {
        let archive =
            Archive::start(([127, 0, 0, 1], 0).into(), "audit", &std::env::temp_dir()).await.unwrap();
        let folder = archive.root().join("audit/org=o");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("day.jsonl"), "x").unwrap();
        assert_eq!(archive.keys("audit/").unwrap(), ["audit/org=o/day.jsonl"]);
        assert_eq!(archive.object("audit/org=o/day.jsonl").unwrap().as_deref(), Some("x"));
        assert_eq!(archive.object("audit/org=p/day.jsonl").unwrap(), None);
        assert_eq!(archive.delete_prefix("audit/org=o/").unwrap(), 1);
        assert!(archive.keys("").unwrap().is_empty());
    }
}

//! The client's connections: whose certificates it trusts, which way it goes, and what it says where no answer comes.

#![expect(clippy::unwrap_used, reason = "what cannot be set up is a failed test")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use harness::client::{ClientError, Http, HttpError, Received};
use harness::target::Target;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use url::Url;
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

const ANSWER: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
/// A host that nobody has (RFC 6761 6.4): only a proxy can have been asked for it.
const FAR: &str = "target.invalid";

/// Listens on a port of its own, and does something with the first connection.
async fn once<D, F>(does: D) -> (String, JoinHandle<F::Output>)
where
    D: FnOnce(TcpStream) -> F + Send + 'static,
    F: Future<Output: Send + 'static> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let served = tokio::spawn(async move { does(listener.accept().await.unwrap().0).await });
    (address, served)
}

/// The head of a request.
async fn head(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap().to_lowercase()
}

/// Answers one request, and gives its head.
async fn answered<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) -> String {
    let head = head(&mut stream).await;
    stream.write_all(ANSWER.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    head
}

fn target(base: &str) -> Target {
    Target::at("t", Url::parse(base).unwrap())
}

fn through(base: &str, proxy: &str) -> Target {
    Target { proxy: Some(Url::parse(proxy).unwrap()), ..target(base) }
}

/// Asks a target for its root.
async fn root(target: &Target) -> Result<Received, HttpError> {
    Http::of(target).unwrap().within(Duration::from_secs(20)).get(&target.base_url).await
}

#[tokio::test]
async fn an_http_proxy_is_told_for_whom_and_by_whom() {
    for (by_whom, told) in [("me:p%40ss@", true), ("", false)] {
        let (proxy, asked) = once(answered::<TcpStream>).await;
        let answer = root(&through(&format!("http://{FAR}"), &format!("http://{by_whom}{proxy}"))).await;
        assert_eq!(answer.unwrap().status, 200);
        let asked = asked.await.unwrap();
        assert!(asked.starts_with(&format!("get http://{FAR}/ http/1.1\r\n")), "{asked}");
        assert!(asked.contains(&format!("host: {FAR}\r\n")), "{asked}");
        assert_eq!(asked.contains("proxy-authorization: basic bwu6cebzcw==\r\n"), told, "{asked}");
    }
}

#[tokio::test]
async fn an_http_proxy_is_asked_for_a_tunnel_where_tls_follows() {
    let (proxy, asked) = once(async |mut stream: TcpStream| {
        let head = head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 502 Bad Gateway\r\n\r\n").await.unwrap();
        head
    })
    .await;
    let refused = root(&through(&format!("https://{FAR}"), &format!("http://me:p%40ss@{proxy}"))).await;
    assert!(matches!(refused, Err(HttpError::Connect(_))), "{refused:?}");
    let asked = asked.await.unwrap();
    assert!(asked.starts_with(&format!("connect {FAR}:443 http/1.1\r\n")), "{asked}");
    assert!(asked.contains("proxy-authorization: basic bwu6cebzcw==\r\n"), "{asked}");
}

#[tokio::test]
async fn a_socks_proxy_is_given_the_name_and_told_by_whom() {
    let (proxy, asked) = once(async |mut stream: TcpStream| {
        // RFC 1928 3: version 5, the methods; RFC 1929: user name and password.
        let [_, methods] = [stream.read_u8().await.unwrap(), stream.read_u8().await.unwrap()];
        stream.read_exact(&mut vec![0; methods.into()]).await.unwrap();
        stream.write_all(&[5, 2]).await.unwrap();
        stream.read_u8().await.unwrap();
        let mut words = Vec::new();
        for _ in 0..2 {
            let mut word = vec![0; stream.read_u8().await.unwrap().into()];
            stream.read_exact(&mut word).await.unwrap();
            words.push(String::from_utf8(word).unwrap());
        }
        stream.write_all(&[1, 0]).await.unwrap();
        // 4: version, CONNECT, reserved, a name with its length, a port.
        stream.read_exact(&mut [0; 4]).await.unwrap();
        let mut name = vec![0; stream.read_u8().await.unwrap().into()];
        stream.read_exact(&mut name).await.unwrap();
        words.push(String::from_utf8(name).unwrap());
        let port = stream.read_u16().await.unwrap();
        stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
        let head = answered(stream).await;
        (words, port, head)
    })
    .await;
    let answer = root(&through(&format!("http://{FAR}:81"), &format!("socks5h://me:p%40ss@{proxy}"))).await;
    assert_eq!(answer.unwrap().status, 200);
    let (words, port, head) = asked.await.unwrap();
    assert_eq!((words, port), (["me", "p@ss", FAR].map(str::to_owned).to_vec(), 81));
    assert!(head.starts_with("get / http/1.1\r\n"), "as to the target itself: {head}");
}

#[tokio::test]
async fn a_certificate_is_good_where_the_target_file_names_its_authority() {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, cert.pem()).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![cert.der().clone()], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    for (named, good) in [(true, true), (false, false)] {
        let acceptor = acceptor.clone();
        let (address, served) = once(async move |stream| match acceptor.accept(stream).await {
            Ok(stream) => Some(answered(stream).await),
            Err(_) => None,
        })
        .await;
        let port = address.rsplit_once(':').unwrap().1;
        let target = target(&format!("https://localhost:{port}"));
        let target = Target { ca: named.then(|| ca.clone()), ..target };
        let answer = root(&target).await;
        assert_eq!(answer.as_ref().ok().map(|answer| answer.status), good.then_some(200), "{answer:?}");
        assert_eq!(served.await.unwrap().is_some(), good);
        if let Err(error) = answer {
            assert!(
                matches!(error, HttpError::Connect(_)) && error.to_string().contains("UnknownIssuer"),
                "{error}"
            );
        }
    }
}

#[test]
fn what_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    for ca in [empty, PathBuf::from("/nowhere/ca.pem")] {
        let error = Http::of(&Target { ca: Some(ca.clone()), ..target("https://localhost") }).unwrap_err();
        assert!(matches!(&error, ClientError::Ca { path, .. } if *path == ca), "{error}");
    }
    let error = Http::of(&through("http://localhost", "ftp://localhost")).unwrap_err();
    assert!(error.to_string().contains("got the scheme ftp"), "{error}");
}

#[tokio::test]
async fn where_no_answer_comes_it_is_said_why() {
    let (gone, _) = once(async |_| ()).await;
    let at = target(&format!("http://{gone}"));
    // The listener goes with its first connection.
    assert!(matches!(root(&at).await, Err(HttpError::Broken(_))));
    let nobody = root(&at).await.unwrap_err();
    assert!(matches!(nobody, HttpError::Connect(_)) && nobody.to_string().contains("refused"), "{nobody}");

    let (half, _) = once(async |mut stream: TcpStream| {
        head(&mut stream).await;
        stream.write_all(&ANSWER.as_bytes()[..ANSWER.len() - 1]).await.unwrap();
    })
    .await;
    assert!(matches!(root(&target(&format!("http://{half}"))).await, Err(HttpError::Broken(_))));

    let (silent, _) = once(async |mut stream: TcpStream| stream.read_to_end(&mut Vec::new()).await).await;
    let silent = target(&format!("http://{silent}"));
    let patience = Duration::from_millis(50);
    let late = Http::of(&silent).unwrap().within(patience).get(&silent.base_url).await;
    assert!(matches!(late, Err(HttpError::TimedOut(waited)) if waited == patience), "{late:?}");
}

#[tokio::test]
async fn a_redirect_is_an_answer() {
    let server = MockServer::start().await;
    let elsewhere = ResponseTemplate::new(302).insert_header("location", "/elsewhere");
    Mock::given(method("GET")).respond_with(elsewhere).expect(1).mount(&server).await;
    assert_eq!(root(&target(&server.uri())).await.unwrap().status, 302);
}

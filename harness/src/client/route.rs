//! How a connection comes about: straight to a host or through the target's proxy, and whose certificates are trusted.

use std::io::{self, IoSlice};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::uri::Scheme;
use http::{HeaderValue, Uri};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::proxy::{SocksV4, SocksV5, Tunnel};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;
use tokio::net::TcpStream;
use tower_service::Service;
use url::Url;

use super::ClientError;
use crate::target::Target;

/// After so long without a word an idle connection is asked whether it is still there.
const KEEPALIVE: Duration = Duration::from_secs(15);
/// RFC 1928 3.
const SOCKS_PORT: u16 = 1080;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Opens connections for a target.
#[derive(Clone)]
pub(super) struct Route {
    tcp: HttpConnector,
    /// To a proxy, which may itself be reached over TLS.
    to_proxy: HttpsConnector<HttpConnector>,
    proxy: Option<Arc<Proxy>>,
}

/// What stands between the harness and the target.
#[derive(Debug)]
struct Proxy {
    at: Uri,
    kind: Kind,
    user: Option<(String, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Passes requests on, and connections for TLS.
    Http,
    /// SOCKS 4; who looks the host's name up is said by the scheme.
    Socks4 { local_dns: bool },
    /// SOCKS 5.
    Socks5 { local_dns: bool },
}

/// The connector for a target: its route, over TLS where a URL says so. And what an HTTP proxy wants to be told with each
/// request that it passes on.
pub(super) fn connector(
    target: &Target,
) -> Result<(HttpsConnector<Route>, Option<HeaderValue>), ClientError> {
    let trusted = Arc::new(trusted(target)?);
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(KEEPALIVE));
    let proxy = target.proxy.as_ref().map(|url| Proxy::at(url).map(Arc::new)).transpose()?;
    let passes_on = proxy.as_ref().filter(|proxy| proxy.kind == Kind::Http);
    let authorization = passes_on.and_then(|proxy| proxy.authorization());
    let to_proxy = HttpsConnector::from((tcp.clone(), trusted.clone()));
    Ok((HttpsConnector::from((Route { tcp, to_proxy, proxy }, trusted)), authorization))
}

/// The system's certificate authorities, and the target's own.
fn trusted(target: &Target) -> Result<ClientConfig, ClientError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
    let config = config.map_err(ClientError::Tls)?;
    if target.base_url.scheme() == "http" && target.proxy.is_none() && target.ca.is_none() {
        // Nothing is ever sent over TLS, and reading the system's certificates takes longer than starting a target.
        return Ok(config.with_root_certificates(RootCertStore::empty()).with_no_client_auth());
    }
    let own = target.ca.as_deref().map(authorities).transpose()?.unwrap_or_default();
    let verifier = Verifier::new_with_extra_roots(own, provider).map_err(|error| match &target.ca {
        Some(path) => ClientError::Ca { path: path.clone(), what: error.to_string() },
        None => ClientError::Tls(error),
    })?;
    let config = config.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
    Ok(config.with_no_client_auth())
}

/// The certificates of a PEM file.
fn authorities(path: &Path) -> Result<Vec<CertificateDer<'static>>, ClientError> {
    let wrong = |what: String| ClientError::Ca { path: path.to_owned(), what };
    let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let certificates = certificates.map_err(|error| wrong(error.to_string()))?;
    if certificates.is_empty() { Err(wrong("it holds no certificate".to_owned())) } else { Ok(certificates) }
}

impl Proxy {
    fn at(url: &Url) -> Result<Proxy, ClientError> {
        let (kind, scheme, port) = match url.scheme() {
            "http" => (Kind::Http, Scheme::HTTP, 80),
            "https" => (Kind::Http, Scheme::HTTPS, 443),
            "socks4" => (Kind::Socks4 { local_dns: true }, Scheme::HTTP, SOCKS_PORT),
            "socks4a" => (Kind::Socks4 { local_dns: false }, Scheme::HTTP, SOCKS_PORT),
            "socks5" => (Kind::Socks5 { local_dns: true }, Scheme::HTTP, SOCKS_PORT),
            "socks5h" => (Kind::Socks5 { local_dns: false }, Scheme::HTTP, SOCKS_PORT),
            other => return Err(ClientError::Proxy(format!("the scheme {other}"))),
        };
        let host = url.host_str().ok_or_else(|| ClientError::Proxy("a URL without a host".to_owned()))?;
        let port = url.port().unwrap_or(port);
        let at = Uri::builder().scheme(scheme).authority(format!("{host}:{port}")).path_and_query("/");
        let at = at.build().map_err(|error| ClientError::Proxy(error.to_string()))?;
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let user = (!url.username().is_empty() || url.password().is_some())
            .then(|| (decoded(url.username()), decoded(url.password().unwrap_or_default())));
        Ok(Proxy { at, kind, user })
    }

    /// RFC 7617.
    fn authorization(&self) -> Option<HeaderValue> {
        let (name, password) = self.user.as_ref()?;
        let mut value =
            HeaderValue::try_from(format!("Basic {}", BASE64_STANDARD.encode(format!("{name}:{password}"))))
                .ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

impl Service<Uri> for Route {
    type Response = Line;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Line, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        Box::pin(self.clone().open(to))
    }
}

impl Route {
    async fn open(mut self, to: Uri) -> Result<Line, BoxError> {
        let Some(proxy) = self.proxy else {
            return Ok(Line::straight(MaybeHttpsStream::Http(self.tcp.call(to).await?)));
        };
        let at = proxy.at.clone();
        Ok(match proxy.kind {
            Kind::Http if to.scheme() == Some(&Scheme::HTTPS) => {
                let tunnel = Tunnel::new(at, self.to_proxy);
                let mut tunnel = match proxy.authorization() {
                    Some(authorization) => tunnel.with_auth(authorization),
                    None => tunnel,
                };
                Line::straight(tunnel.call(to).await?)
            }
            Kind::Http => Line { stream: self.to_proxy.call(at).await?, passes_on: true },
            Kind::Socks4 { local_dns } => {
                let mut socks = SocksV4::new(at, self.to_proxy).local_dns(local_dns);
                Line::straight(socks.call(to).await?)
            }
            Kind::Socks5 { local_dns } => {
                let socks = SocksV5::new(at, self.to_proxy).local_dns(local_dns);
                let mut socks = match &proxy.user {
                    Some((name, password)) => socks.with_auth(name.clone(), password.clone()),
                    None => socks,
                };
                Line::straight(socks.call(to).await?)
            }
        })
    }
}

/// An open connection.
pub(super) struct Line {
    stream: MaybeHttpsStream<TokioIo<TcpStream>>,
    /// To a proxy that passes requests on, and has to be told for whom (RFC 9112 3.2.2).
    passes_on: bool,
}

impl Line {
    fn straight(stream: MaybeHttpsStream<TokioIo<TcpStream>>) -> Line {
        Line { stream, passes_on: false }
    }

    fn stream(self: Pin<&mut Self>) -> Pin<&mut MaybeHttpsStream<TokioIo<TcpStream>>> {
        Pin::new(&mut self.get_mut().stream)
    }
}

impl Connection for Line {
    fn connected(&self) -> Connected {
        self.stream.connected().proxy(self.passes_on)
    }
}

impl Read for Line {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        self.stream().poll_read(context, buffer)
    }
}

impl Write for Line {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.stream().poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream().poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_shutdown(context)
    }
}

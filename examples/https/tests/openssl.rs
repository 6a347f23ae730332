//! Tests the client against `openssl s_server`, over the machine's network, with certificates that openssl has created.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use anyhow::{Context as _, Result, bail, ensure};
use https::{Error, Roots};
use tempfile::TempDir;
use wsk::irql::Passive;
use wsk::{Registration, Runtime, rt};
use wsk_host::{Config, Host};

/// The page that each server has.
const PAGE: &str = "a page over TLS\n";

/// The keys and signatures of a chain of certificates.
#[derive(Clone, Copy)]
struct Keys {
    root: &'static [&'static str],
    others: &'static [&'static str],
    hash: &'static str,
}

const P256: &[&str] = &["EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
const P384: &[&str] = &["EC", "-pkeyopt", "ec_paramgen_curve:P-384"];
const RSA_2048: &[&str] = &["RSA", "-pkeyopt", "rsa_keygen_bits:2048"];
const RSA_4096: &[&str] = &["RSA", "-pkeyopt", "rsa_keygen_bits:4096"];

const ECDSA: Keys = Keys { root: P384, others: P256, hash: "-sha384" };
const RSA: Keys = Keys { root: RSA_4096, others: RSA_2048, hash: "-sha256" };

/// A chain of three certificates: a root, an authority certified by the root, and a server certified by the authority.
struct Chain(TempDir);

impl Chain {
    /// Creates a chain for the server `localhost`. `authority` is the extension that restricts the second certificate.
    fn new(keys: Keys, authority: &str, days: &str) -> Result<Self> {
        let this = Self(TempDir::new()?);
        this.key("root", keys.root)?;
        this.openssl(&[
            "req", "-x509", "-key", "root.key", "-subj", "/CN=root", "-days", "30", keys.hash,
            "-out", "root.pem",
        ])?;
        this.openssl(&["x509", "-in", "root.pem", "-outform", "DER", "-out", "root.der"])?;
        this.key("authority", keys.others)?;
        this.certify("authority", "root", authority, keys.hash, "30")?;
        this.key("server", keys.others)?;
        let extension = "subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n";
        this.certify("server", "authority", extension, keys.hash, days)?;
        fs::write(this.path().join("page"), PAGE)?;
        Ok(this)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn roots(&self) -> Result<Vec<u8>> {
        Ok(fs::read(self.path().join("root.der"))?)
    }

    fn key(&self, name: &str, algorithm: &[&str]) -> Result<()> {
        let file = format!("{name}.key");
        self.openssl(&[&["genpkey", "-out", &file, "-algorithm"], algorithm].concat())
    }

    fn certify(&self, name: &str, by: &str, extension: &str, hash: &str, days: &str) -> Result<()> {
        let [key, request, file, extensions] =
            ["key", "csr", "pem", "ext"].map(|kind| format!("{name}.{kind}"));
        fs::write(self.path().join(&extensions), extension)?;
        let subject = format!("/CN={name}");
        self.openssl(&["req", "-new", "-key", &key, "-subj", &subject, "-out", &request])?;
        let [authority, authority_key] = ["pem", "key"].map(|kind| format!("{by}.{kind}"));
        self.openssl(&[
            "x509",
            "-req",
            "-in",
            &request,
            "-CA",
            &authority,
            "-CAkey",
            &authority_key,
            "-CAcreateserial",
            "-extfile",
            &extensions,
            "-days",
            days,
            hash,
            "-out",
            &file,
        ])
    }

    fn openssl(&self, args: &[&str]) -> Result<()> {
        let output = Command::new("openssl").args(args).current_dir(self.path()).output();
        let output = output.context("openssl, of Debian's package openssl")?;
        let error = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "openssl {}: {error}", args.join(" "));
        Ok(())
    }
}

/// A running `openssl s_server`, which serves the files of a chain's folder.
struct Server {
    process: Child,
    port: u16,
}

impl Server {
    fn start(chain: &Chain, options: &[&str]) -> Result<Self> {
        let mut process = Command::new("openssl")
            .args(["s_server", "-accept", "127.0.0.1:0", "-WWW", "-cert", "server.pem"])
            .args(["-key", "server.key", "-cert_chain", "authority.pem"])
            .args(options)
            .current_dir(chain.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("openssl, of Debian's package openssl")?;
        let output = process.stdout.take().context("a pipe")?;
        // The server prints its address when it is ready: `ACCEPT 127.0.0.1:40123`.
        let mut lines = BufReader::new(output).lines();
        let port = loop {
            let line = lines.next().context("openssl has ended without serving")??;
            if let Some(address) = line.strip_prefix("ACCEPT ") {
                break address.rsplit(':').next().and_then(|port| port.trim().parse().ok());
            }
        };
        // The pipe must not fill.
        thread::spawn(move || lines.for_each(drop));
        Ok(Self { process, port: port.context("no port")? })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Fetches a page on a host with the machine's network, as a driver's task. Fails if kernel memory is left.
fn fetch(root: &[u8], url: &str) -> Result<Result<(u16, String), Error>> {
    let host = Host::new(Config::real());
    let entered = host.enter();
    // SAFETY: on a host, a test's thread runs at PASSIVE_LEVEL, outside any callback.
    let passive = unsafe { Passive::assume() };
    let registration = Registration::register(passive)?;
    let wsk = registration.try_capture()?;
    let runtime = Runtime::new(passive, 1)?;
    let (root, url) = (root.to_vec(), url.to_string());
    let fetched = runtime.spawner().spawn(async move {
        let roots = Roots::new([root.as_slice()], &[])?;
        let mut page = vec![0; 4096];
        let (status, size) = https::get(&wsk, &roots, &url, &mut page).await?;
        page.truncate(size);
        Ok::<_, Error>((status, String::from_utf8(page).expect("the page is a text")))
    })?;
    let result = rt::block_on(passive, fetched)??;
    runtime.shutdown(passive);
    registration.deregister(passive);
    wsk::unload(passive);
    host.settle();
    ensure!(host.outstanding_allocations() == 0, "not all memory was freed");
    drop(entered);
    Ok(result)
}

const AUTHORITY: &str = "basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign\n";

/// Fetches a server's page with each kind of key and both ciphers.
#[test]
fn a_page_is_fetched() -> Result<()> {
    for keys in [ECDSA, RSA] {
        let chain = Chain::new(keys, AUTHORITY, "30")?;
        for cipher in ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384"] {
            let server = Server::start(&chain, &["-tls1_3", "-ciphersuites", cipher])?;
            let url = format!("https://localhost:{}/page", server.port);
            let (status, page) = fetch(&chain.roots()?, &url)??;
            assert_eq!((status, page.as_str()), (200, PAGE), "{cipher}");
        }
    }
    Ok(())
}

/// A page of many records arrives whole, and one that is larger than the buffer is an error.
#[test]
fn the_size_of_a_page_is_limited() -> Result<()> {
    let chain = Chain::new(ECDSA, AUTHORITY, "30")?;
    let server = Server::start(&chain, &["-tls1_3"])?;
    let url = |page: &str| format!("https://localhost:{}/{page}", server.port);
    let mut text = String::new();
    for number in 0.. {
        write!(text, "{number} ")?;
        if text.len() >= 4096 {
            break;
        }
    }
    text.truncate(4096);
    fs::write(chain.path().join("full"), &text)?;
    assert_eq!(fetch(&chain.roots()?, &url("full"))??, (200, text.clone()));
    text.push('!');
    fs::write(chain.path().join("larger"), &text)?;
    let result = fetch(&chain.roots()?, &url("larger"))?;
    assert!(matches!(result, Err(Error::TooLarge)), "{result:?}");
    Ok(())
}

/// The fault of a certificate, and the error that the client must return.
#[test]
fn a_wrong_certificate_is_refused() -> Result<()> {
    let chain = Chain::new(ECDSA, AUTHORITY, "30")?;
    let refused = |chain: &Chain, root: &[u8], host: &str, expected: &str| -> Result<()> {
        let server = Server::start(chain, &["-tls1_3"])?;
        let url = format!("https://{host}:{}/page", server.port);
        match fetch(root, &url)? {
            Err(Error::Tls(error)) => {
                let error = error.to_string();
                ensure!(error.contains(expected), "{error}; expected: {expected}");
                Ok(())
            }
            other => bail!("expected: {expected}; found: {other:?}"),
        }
    };
    let root = chain.roots()?;
    refused(&chain, &root, "127.0.0.1", "NotValidForName")?;
    // A root with the same name and another key, and a root with another name.
    let other = Chain::new(ECDSA, AUTHORITY, "30")?;
    refused(&chain, &other.roots()?, "localhost", "BadSignature")?;
    other.openssl(&["x509", "-in", "server.pem", "-outform", "DER", "-out", "root.der"])?;
    refused(&chain, &other.roots()?, "localhost", "UnknownIssuer")?;
    let expired = Chain::new(ECDSA, AUTHORITY, "-1")?;
    refused(&expired, &expired.roots()?, "localhost", "Expired")?;
    // The second certificate may not certify others. Without `std`, rustls does not name this reason in the error.
    let no_authority = Chain::new(ECDSA, "basicConstraints=CA:FALSE\n", "30")?;
    refused(&no_authority, &no_authority.roots()?, "localhost", "Other(OtherError)")
}

/// A server without TLS 1.3.
#[test]
fn an_older_protocol_is_refused() -> Result<()> {
    let chain = Chain::new(ECDSA, AUTHORITY, "30")?;
    let server = Server::start(&chain, &["-tls1_2"])?;
    let result = fetch(&chain.roots()?, &format!("https://localhost:{}/page", server.port))?;
    assert!(matches!(result, Err(Error::Tls(_))), "{result:?}");
    Ok(())
}

/// A server without TLS, a server that disconnects, and a URL without TLS.
#[test]
fn data_that_is_not_tls_is_refused() -> Result<()> {
    let chain = Chain::new(ECDSA, AUTHORITY, "30")?;
    let answers = |answer: &'static [u8]| -> Result<Result<(u16, String), Error>> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let server = thread::spawn(move || -> std::io::Result<()> {
            let (mut client, _) = listener.accept()?;
            let _ = client.read(&mut [0; 1024])?;
            client.write_all(answer)
        });
        let result = fetch(&chain.roots()?, &format!("https://localhost:{port}/"))?;
        server.join().expect("the server does not panic")?;
        Ok(result)
    };
    let result = answers(b"HTTP/1.1 400 Bad Request\r\n\r\n")?;
    assert!(matches!(result, Err(Error::Tls(_))), "{result:?}");
    let result = answers(b"")?;
    assert!(matches!(result, Err(Error::Truncated | Error::System(_))), "{result:?}");
    let result = fetch(&chain.roots()?, "http://localhost/")?;
    assert!(matches!(result, Err(Error::Url)), "{result:?}");
    Ok(())
}

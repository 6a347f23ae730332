//! reqwless with embedded-tls, against `openssl s_server`.

use std::fmt::Debug;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use crates::{Error, https};
use tempfile::TempDir;

use crate::driver;
use crate::peer::{self, Peer};

/// The page of each server, sent with its length: embedded-tls reports the end of TLS as an error, not as the end of
/// the page.
const PAGE: &str = "a page over TLS\n";

/// A certificate: its name, its issuer, and its extensions.
struct Certificate {
    name: &'static str,
    authority: &'static str,
    extensions: &'static str,
    days: &'static str,
}

/// The folder of a server and its certificates. Each has its own root.
struct Site(TempDir);

impl Site {
    fn new(certificates: &[Certificate]) -> Result<Self> {
        let this = Self(TempDir::new()?);
        this.key("root")?;
        this.openssl(&[
            "req", "-x509", "-key", "root.key", "-subj", "/CN=root", "-days", "30", "-out",
            "root.pem",
        ])?;
        this.openssl(&["x509", "-in", "root.pem", "-outform", "DER", "-out", "root.der"])?;
        for certificate in certificates {
            this.certify(certificate)?;
        }
        let length = PAGE.len();
        let response = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{PAGE}");
        fs::write(this.path().join("page"), response)?;
        Ok(this)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn key(&self, name: &str) -> Result<()> {
        let file = format!("{name}.key");
        let curve = "ec_paramgen_curve:P-256";
        self.openssl(&["genpkey", "-algorithm", "EC", "-pkeyopt", curve, "-out", &file])
    }

    fn certify(&self, certificate: &Certificate) -> Result<()> {
        let Certificate { name, authority, extensions, days } = certificate;
        self.key(name)?;
        fs::write(self.path().join("extensions"), extensions)?;
        let [key, request, pem] = ["key", "csr", "pem"].map(|kind| format!("{name}.{kind}"));
        let [by, by_key] = ["pem", "key"].map(|kind| format!("{authority}.{kind}"));
        let subject = format!("/CN={name}");
        self.openssl(&["req", "-new", "-key", &key, "-subj", &subject, "-out", &request])?;
        self.openssl(&[
            "x509",
            "-req",
            "-in",
            &request,
            "-CA",
            &by,
            "-CAkey",
            &by_key,
            "-CAcreateserial",
            "-extfile",
            "extensions",
            "-days",
            days,
            "-out",
            &pem,
        ])
    }

    fn openssl(&self, arguments: &[&str]) -> Result<()> {
        peer::output_in(self.path(), "openssl", "openssl", arguments).map(drop)
    }

    /// Serves the page with the certificate of a name, and with that of its authority unless that is the root; and
    /// fetches it. `host` is the server's name in the URL.
    fn fetch(
        &self,
        name: &str,
        authority: Option<&str>,
        host: &str,
        root: &Self,
    ) -> Result<crates::Result<(u16, Vec<u8>)>> {
        let [certificate, key] = ["pem", "key"].map(|kind| format!("{name}.{kind}"));
        let mut arguments = vec![
            "s_server",
            "-accept",
            "0",
            "-HTTP",
            "-tls1_3",
            "-cert",
            &certificate,
            "-key",
            &key,
        ];
        let authority = authority.map(|name| format!("{name}.pem"));
        arguments.extend(authority.iter().flat_map(|file| ["-cert_chain", file]));
        let server = Peer::start_in(self.path(), "openssl", "openssl", arguments)?;
        // The server prints its address when it is ready: `ACCEPT [::]:40123`.
        let line = server.wait_for(|line| line.starts_with("ACCEPT "))?;
        let (_, port) = line.rsplit_once(':').context("no port")?;
        let url = format!("https://{host}:{}/page", port.trim());
        let root = fs::read(root.path().join("root.der"))?;
        driver::run_pinned(move |wsk| async move { https::get(&wsk, &url, &root, 4096).await })
    }
}

const fn by_root(name: &'static str, extensions: &'static str, days: &'static str) -> Certificate {
    Certificate { name, authority: "root", extensions, days }
}

fn assert_refused<T: Debug>(result: &crates::Result<T>, expected: &str) {
    let refused =
        matches!(result, Err(Error::Reqwless(error)) if format!("{error:?}").contains(expected));
    assert!(refused, "{result:?}");
}

#[test]
fn a_page_is_fetched() -> Result<()> {
    let site = Site::new(&[by_root("localhost", "basicConstraints=CA:FALSE\n", "30")])?;
    let page = site.fetch("localhost", None, "localhost", &site)??;
    assert_eq!(page, (200, PAGE.into()));
    Ok(())
}

#[test]
fn other_roots_and_names_are_refused() -> Result<()> {
    let site = Site::new(&[by_root("localhost", "basicConstraints=CA:FALSE\n", "30")])?;
    let other = Site::new(&[])?;
    let result = site.fetch("localhost", None, "localhost", &other)?;
    assert_refused(&result, "InvalidCertificate");
    let result = site.fetch("localhost", None, "127.0.0.1", &site)?;
    assert_refused(&result, "InvalidCertificate");
    Ok(())
}

/// The defects that README.md warns of. If one of these fails, the crates have improved, and README.md is out of date.
#[test]
fn what_is_not_verified() -> Result<()> {
    // A certificate that has expired.
    let site = Site::new(&[by_root("localhost", "basicConstraints=CA:FALSE\n", "-1")])?;
    assert_eq!(site.fetch("localhost", None, "localhost", &site)??.0, 200);

    // A certificate issued by a server, which may not issue certificates.
    let mut server = by_root("localhost", "basicConstraints=CA:FALSE\n", "30");
    server.authority = "server";
    let site =
        Site::new(&[by_root("server", "basicConstraints=critical,CA:FALSE\n", "30"), server])?;
    assert_eq!(site.fetch("localhost", Some("server"), "localhost", &site)??.0, 200);

    // The names of a certificate are in an extension today, which embedded-tls does not read. This certificate is
    // valid.
    let site = Site::new(&[by_root("server", "subjectAltName=DNS:localhost\n", "30")])?;
    let result = site.fetch("server", None, "localhost", &site)?;
    assert_refused(&result, "InvalidCertificate");
    Ok(())
}

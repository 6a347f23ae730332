//! Signs drivers with a test certificate, with OpenSSL and osslsigncode or with Windows' own tools.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use xshell::{Cmd, Shell, cmd};

use crate::setup::{Dependency, on_path};

/// The signing programs on systems other than Windows.
pub static NEEDS: [Dependency; 2] = [
    Dependency { name: "OpenSSL", package: "openssl", is_there: || on_path("openssl") },
    Dependency {
        name: "osslsigncode",
        package: "osslsigncode",
        is_there: || on_path("osslsigncode"),
    },
];

/// The validity of a certificate in days.
const DAYS: &str = "365";

/// Creates a test certificate for signing code: `FILE.pfx` with its key and without a password, and `FILE.cer`, which a
/// test machine has to trust. Returns the path of the second.
///
/// # Errors
///
/// If one of the files exists, or a program fails.
pub fn create_certificate(file: &Path, name: &str) -> Result<PathBuf> {
    require_pfx(file)?;
    let certificate = file.with_extension("cer");
    for path in [file, &certificate] {
        ensure!(!path.exists(), "{} exists: delete it, or choose another name", path.display());
    }
    let shell = Shell::new()?;
    if cfg!(windows) {
        let script = format!(
            "$c = New-SelfSignedCertificate -Type CodeSigningCert -Subject 'CN={name}' -CertStoreLocation \
             Cert:\\CurrentUser\\My -NotAfter (Get-Date).AddDays({DAYS}); \
             [IO.File]::WriteAllBytes('{}', $c.Export('Pfx')); \
             '-----BEGIN CERTIFICATE-----', [Convert]::ToBase64String($c.RawData, 'InsertLineBreaks'), \
             '-----END CERTIFICATE-----' | Set-Content -Encoding ascii '{}'; Remove-Item $c.PSPath",
            file.display(),
            certificate.display()
        );
        run(cmd!(shell, "powershell -NoProfile -Command {script}"))?;
        return Ok(certificate);
    }
    let key = file.with_extension("key");
    let subject = format!("/CN={name}");
    let extensions =
        ["-addext", "keyUsage=digitalSignature", "-addext", "extendedKeyUsage=codeSigning"];
    let created = run(cmd!(
        shell,
        "openssl req -x509 -newkey rsa:3072 -sha256 -nodes -days {DAYS} -subj {subject} -keyout {key} -out {certificate}"
    )
    .args(extensions))
    .and_then(|()| {
        run(cmd!(
            shell,
            "openssl pkcs12 -export -inkey {key} -in {certificate} -name {name} -passout pass: -out {file}"
        ))
    });
    // It is in the .pfx.
    let removed = shell.remove_path(&key);
    created?;
    removed?;
    Ok(certificate)
}

/// Signs a driver with a certificate of [`create_certificate`] or another `.pfx` without a password, and verifies the
/// signature.
///
/// # Errors
///
/// If a program fails, or the signature is not valid.
pub fn sign(driver: &Path, pfx: &Path) -> Result<()> {
    require_pfx(pfx)?;
    ensure!(
        pfx.is_file(),
        "{} does not exist: create a test certificate with `cargo wsk certificate {}`",
        pfx.display(),
        pfx.display()
    );
    let shell = Shell::new()?;
    if cfg!(windows) {
        run(cmd!(shell, "signtool sign /q /fd SHA256 /f {pfx} {driver}"))?;
        let script = format!(
            "$s = (Get-AuthenticodeSignature '{}'); if (-not $s.SignerCertificate -or $s.Status -eq 'HashMismatch') \
             {{ throw $s.StatusMessage }}",
            driver.display()
        );
        return run(cmd!(shell, "powershell -NoProfile -Command {script}"));
    }
    let certificate = pfx.with_extension("cer");
    ensure!(
        certificate.is_file(),
        "{} is missing, which is needed to verify the signature: it is created with the .pfx",
        certificate.display()
    );
    let signed = driver.with_extension("signed");
    // The program does not overwrite a file.
    shell.remove_path(&signed)?;
    run(cmd!(
        shell,
        "osslsigncode sign -pkcs12 {pfx} -pass '' -h sha256 -in {driver} -out {signed}"
    ))?;
    run(cmd!(shell, "osslsigncode verify -CAfile {certificate} -in {signed}"))
        .context("the signature is not valid")?;
    std::fs::rename(&signed, driver)
        .with_context(|| format!("cannot replace {} by its signed copy", driver.display()))
}

fn require_pfx(file: &Path) -> Result<()> {
    let is_pfx = file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("pfx"));
    ensure!(is_pfx, "{} is not called .pfx", file.display());
    Ok(())
}

/// Runs a program. If it fails, the error has its output.
fn run(command: Cmd<'_>) -> Result<()> {
    let text = command.to_string();
    let output = command.quiet().ignore_status().output();
    let output = output.with_context(|| format!("cannot run `{text}`"))?;
    if !output.status.success() {
        let [out, err] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
        bail!("`{text}` failed:\n{out}{err}");
    }
    Ok(())
}

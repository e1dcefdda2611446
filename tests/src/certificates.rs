//! Certificates made by openssl, in a folder that is removed in the end.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A folder with an authority, and what a test makes in it.
pub struct Certificates {
    folder: PathBuf,
}

impl Certificates {
    /// Makes a folder with an authority: `ca.crt`.
    #[must_use]
    pub fn new() -> Certificates {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("overlay-certificates-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let made = Certificates { folder };
        made.openssl(&format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=authority -days 2 -keyout {} -out {}",
            made.path("ca.key"),
            made.path("ca.crt")
        ));
        made
    }

    /// Makes `NAME.crt` and `NAME.key` for an address, signed by the authority. What is there already is replaced.
    pub fn make(&self, name: &str, address: &str) {
        let path = |end: &str| self.path(&format!("{name}.{end}"));
        self.openssl(&format!(
            "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=node -keyout {} -out {}",
            path("key"),
            path("csr")
        ));
        let extensions = self.write(
            &format!("{name}.ext"),
            &format!("basicConstraints=CA:FALSE\nsubjectAltName=IP:{address}\n"),
        );
        self.openssl(&format!(
            "x509 -req -days 2 -in {} -CA {} -CAkey {} -CAcreateserial -extfile {extensions} -out {}",
            path("csr"),
            self.path("ca.crt"),
            self.path("ca.key"),
            path("crt")
        ));
    }

    /// SHA-256 of the public key of `NAME.key` (its `SubjectPublicKeyInfo`), in base 64.
    #[must_use]
    pub fn fingerprint(&self, name: &str) -> String {
        let [key, public, digest, text] =
            ["key", "der", "sha256", "base64"].map(|end| self.path(&format!("{name}.{end}")));
        self.openssl(&format!(
            "pkey -in {key} -pubout -outform DER -out {public}"
        ));
        self.openssl(&format!("dgst -sha256 -binary -out {digest} {public}"));
        self.openssl(&format!("base64 -A -in {digest} -out {text}"));
        std::fs::read_to_string(text).unwrap()
    }

    /// Writes a file, or replaces it as editors do; returns its path.
    #[must_use]
    pub fn write(&self, name: &str, text: &str) -> String {
        let path = self.folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let new = self.folder.join("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(&new, &path).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// The path of a file.
    #[must_use]
    pub fn path(&self, name: &str) -> String {
        self.folder.join(name).to_str().unwrap().to_owned()
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn openssl(&self, arguments: &str) {
        let mut command = Command::new("openssl");
        command.args(arguments.split_whitespace());
        let output = command.stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl {arguments}: {said}");
    }
}

impl Default for Certificates {
    fn default() -> Certificates {
        Certificates::new()
    }
}

impl Drop for Certificates {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

/// The password `s3cret` of the user `scraper` as a web configuration has it: `htpasswd -nbBC 6 scraper s3cret`.
pub const USER: &str =
    "basic_auth_users:\n  scraper: $2y$06$tPCI80axuiP.CXRdmu/CBOXyVSn4gr0/D/SEf496m6mt8HSWiwQpW\n";

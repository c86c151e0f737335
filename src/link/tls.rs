//! IO. TLS over a dialled stream, with our own CA, client certificate and server name.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::dial::ByteStream;
use super::{TlsSettings, trouble};
use crate::cluster::{Address, Health, Trouble};

/// Files read and checked, ready to wrap streams.
pub(super) struct Tls {
    connector: TlsConnector,
    server_name: Option<String>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("server_name", &self.server_name).finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads the files. The error names the file and what is wrong with it.
    pub(super) fn read(settings: &TlsSettings) -> Result<Self, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("cannot set TLS up: {error}"))?
            .with_root_certificates(roots(settings.ca.as_deref())?);
        let config = match (&settings.cert, &settings.key) {
            (Some(cert), Some(key)) => {
                let key_der = PrivateKeyDer::from_pem_file(key)
                    .map_err(|error| format!("cannot read the client key {}: {error}", key.display()))?;
                builder
                    .with_client_auth_cert(certificates(cert)?, key_der)
                    .map_err(|error| format!("cannot use the client certificate {}: {error}", cert.display()))?
            }
            (None, None) => builder.with_no_client_auth(),
            _ => return Err("a client certificate needs both `cert` and `key`".to_owned()),
        };
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), server_name: settings.server_name.clone() })
    }

    pub(super) async fn wrap(
        &self,
        stream: Box<dyn ByteStream>,
        node: &Address,
    ) -> Result<TlsStream<Box<dyn ByteStream>>, Trouble> {
        let name = self.server_name.clone().unwrap_or_else(|| node.host.to_string());
        let server_name = ServerName::try_from(name.clone())
            .map_err(|error| Trouble::new(Health::Tls, format!("`{name}` is not a server name: {error}")))?;
        self.connector.connect(server_name, stream).await.map_err(|error| trouble::of_tls(&error))
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let unreadable = |error: rustls::pki_types::pem::Error| format!("cannot read the certificate {}: {error}", path.display());
    CertificateDer::pem_file_iter(path).map_err(unreadable)?.collect::<Result<_, _>>().map_err(unreadable)
}

fn roots(ca: Option<&Path>) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    match ca {
        Some(path) => {
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|error| format!("cannot trust {}: {error}", path.display()))?;
            }
        }
        None => {
            // One unreadable root among many is no reason to refuse the others.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if roots.is_empty() {
        return Err("no trusted certificate: give the CA that signed the servers' certificates".to_owned());
    }
    Ok(roots)
}

//! Puts the gRPC side together: its address, its certificate, its services.

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use tokio::net::TcpListener;
use tonic::transport::Identity;
use tonic::transport::ServerTlsConfig;
use tracing::warn;

use crate::api::ApiState;
use crate::api::intake::Intake;
use crate::app::Around;
use crate::config::Config;
use crate::grpc::Grpc;
use crate::grpc::Parts;

/// The listener with what is spoken on it.
pub(super) struct Door {
    listener: TcpListener,
    tls: Option<ServerTlsConfig>,
    pub(super) address: SocketAddr,
}

/// Binds the address. Where nobody chose one and the default is taken, the daemon goes on without: several
/// may run on one machine.
pub(super) async fn bind(config: &Config) -> anyhow::Result<Option<Door>> {
    let grpc = &config.grpc;
    let mut tls = None;
    if let Some((certificate, key)) = &grpc.tls {
        let certificate = fs::read(certificate).context("grpc.tls_certificate")?;
        let key = fs::read(key).context("grpc.tls_key")?;
        tls = Some(ServerTlsConfig::new().identity(Identity::from_pem(certificate, key)));
    }
    let listener = match TcpListener::bind(grpc.listen).await {
        Ok(listener) => listener,
        Err(error) if !grpc.chosen => {
            let listen = grpc.listen;
            warn!(%listen, %error, "no gRPC: its default address is taken; set grpc.listen");
            return Ok(None);
        }
        Err(error) => return Err(error).context(format!("grpc.listen: {}", grpc.listen)),
    };
    let address = listener.local_addr()?;
    Ok(Some(Door { listener, tls, address }))
}

/// Serves, until the sockets close.
pub(super) fn serve(
    door: Option<Door>,
    state: &ApiState,
    (wall, tasks, stops): Around<'_>,
) -> anyhow::Result<()> {
    let Some(Door { listener, tls, .. }) = door else { return Ok(()) };
    let parts = Parts {
        intake: Intake::new(Arc::clone(&state.platforms), state.elsewhere.clone()),
        tokens: Arc::clone(&state.tokens),
        clock: Arc::clone(wall),
        tasks: tasks.clone(),
        stop: stops.sockets.clone(),
    };
    let readiness = Arc::clone(&state.readiness);
    let grpc = Grpc::new(parts, readiness, stops.drain.clone(), tls)?;
    tasks.spawn(grpc.serve(listener));
    Ok(())
}

//! `grpc.health.v1`: what `/readyz` says, for load balancers that ask in gRPC. Nobody asks the stores
//! while nobody asks us.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::unfold;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tonic::Request;
use tonic::Response;
use tonic::Status;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::HealthCheckResponse;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::Health as Asked;

use crate::api::health::Readiness;
use crate::api::health::serving;
use crate::grpc::service::Out;

/// The service whose health this is.
const SERVICE: &str = "countersign.v1.CallEvents";
/// Somebody who watches hears of a change after this time at the latest.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Answers whether new calls should come here.
#[derive(Clone)]
pub(super) struct Health {
    pub(super) readiness: Arc<dyn Readiness>,
    /// Cancelled when no new calls are taken.
    pub(super) draining: CancellationToken,
    /// Cancelled when streams have to end.
    pub(super) stop: CancellationToken,
}

impl Health {
    async fn of(&self, service: &str) -> ServingStatus {
        if !matches!(service, "" | SERVICE) {
            return ServingStatus::ServiceUnknown;
        }
        if serving(&*self.readiness, self.draining.is_cancelled()).await {
            ServingStatus::Serving
        } else {
            ServingStatus::NotServing
        }
    }

    /// The next change; `None` once streams have to end.
    async fn change(&self, service: &str, known: Option<ServingStatus>) -> Option<ServingStatus> {
        loop {
            let now = self.of(service).await;
            if Some(now) != known {
                return Some(now);
            }
            tokio::select! {
                () = self.stop.cancelled() => return None,
                () = sleep(LOOK_AGAIN) => {}
            }
        }
    }
}

#[tonic::async_trait]
impl Asked for Health {
    type WatchStream = Out<HealthCheckResponse>;

    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        match self.of(&request.get_ref().service).await {
            ServingStatus::ServiceUnknown => {
                Err(Status::not_found(format!("ask for \"\" or \"{SERVICE}\"")))
            }
            status => Ok(Response::new(HealthCheckResponse { status: status.into() })),
        }
    }

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let watched = (self.clone(), request.into_inner().service, None);
        let changes = unfold(watched, |(health, service, known)| async move {
            let now = health.change(&service, known).await?;
            let response = HealthCheckResponse { status: now.into() };
            Some((Ok(response), (health, service, Some(now))))
        });
        Ok(Response::new(Box::pin(changes)))
    }
}

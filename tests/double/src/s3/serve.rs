//! The HTTP side: s3s answers, but for the requests that are to go wrong.

use std::path::Path;

use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use s3s::Body;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};

use super::faults::{Operation, S3Fault, S3Faults};
use super::{ACCESS_KEY, SECRET_KEY};

/// Starts the server; it stops with the runtime.
pub(super) fn start(root: &Path, faults: &S3Faults) -> std::io::Result<(tokio::runtime::Runtime, u16)> {
    let files = s3s_fs::FileSystem::new(root).map_err(|error| std::io::Error::other(format!("{error:?}")))?;
    let mut builder = S3ServiceBuilder::new(files);
    builder.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
    let service = builder.build();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
    listener.set_nonblocking(true)?;
    let port = listener.local_addr()?.port();
    let faults = faults.clone();
    runtime.spawn(async move {
        let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
        while let Ok((socket, _)) = listener.accept().await {
            let (service, faults) = (service.clone(), faults.clone());
            tokio::spawn(async move {
                let answer = service_fn(move |request| answer(service.clone(), faults.clone(), request));
                let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), answer).await;
            });
        }
    });
    Ok((runtime, port))
}

/// Why a connection ends without an answer.
#[derive(Debug)]
struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("cut on demand")
    }
}

impl std::error::Error for Cut {}

async fn answer(service: S3Service, faults: S3Faults, request: Request<Incoming>) -> Result<Response<Body>, Cut> {
    match faults.next(operation(&request), request.uri().path()) {
        None => Ok(done(service, request).await),
        Some(S3Fault::Refuse(_, status, code)) => Ok(refused(status, code)),
        Some(S3Fault::CutUpload(after)) => {
            read(request, after).await;
            Err(Cut)
        }
        Some(S3Fault::CompleteThenFail) => {
            done(service, request).await;
            Ok(refused(500, "InternalError"))
        }
        Some(S3Fault::CompleteThenErrorBody) => {
            done(service, request).await;
            Ok(refused(200, "InternalError"))
        }
        Some(S3Fault::PutThenFail(_, status, code)) => {
            done(service, request).await;
            Ok(refused(status, code))
        }
        Some(S3Fault::PutThenCut(_)) => {
            done(service, request).await;
            Err(Cut)
        }
        Some(S3Fault::EmptyList) => Ok(answered(
            200,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
             <KeyCount>0</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated></ListBucketResult>"
                .to_owned(),
        )),
    }
}

async fn done(service: S3Service, request: Request<Incoming>) -> Response<Body> {
    let answer = hyper::service::Service::call(&service, request).await;
    answer.unwrap_or_else(|_| refused(500, "InternalError"))
}

/// Takes so many bytes of a body and leaves the rest.
async fn read(request: Request<Incoming>, bytes: usize) {
    let mut body = request.into_body();
    let mut seen = 0;
    while seen < bytes {
        match body.frame().await {
            Some(Ok(frame)) => seen += frame.data_ref().map_or(0, bytes::Bytes::len),
            _ => return,
        }
    }
}

fn operation(request: &Request<Incoming>) -> Operation {
    let query = request.uri().query().unwrap_or("");
    let names: Vec<&str> = query.split('&').map(|pair| pair.split('=').next().unwrap_or("")).collect();
    let has = |name: &str| names.contains(&name);
    let object = request.uri().path().trim_start_matches('/').contains('/');
    match *request.method() {
        Method::PUT if has("partNumber") => Operation::Part,
        Method::PUT if object => Operation::Put,
        Method::POST if has("uploads") => Operation::Create,
        Method::POST if has("uploadId") => Operation::Complete,
        Method::DELETE if has("uploadId") => Operation::Abort,
        Method::DELETE => Operation::Delete,
        Method::GET if !object || has("list-type") => Operation::List,
        Method::GET | Method::HEAD => Operation::Get,
        _ => Operation::Other,
    }
}

fn refused(status: u16, code: &str) -> Response<Body> {
    answered(
        status,
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>on demand</Message>\
             <RequestId>double</RequestId></Error>"
        ),
    )
}

fn answered(status: u16, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert("content-type", http::HeaderValue::from_static("application/xml"));
    response
}

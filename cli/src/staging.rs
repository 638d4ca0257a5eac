//! What Redshift needs beside a table: an object store, and the right to read it.

use clap::Args;
#[cfg(not(feature = "redshift"))]
use longshore::{Loader, Result};

/// Where files are staged, and how the cluster reads them.
#[derive(Debug, Args)]
#[cfg_attr(not(feature = "redshift"), allow(dead_code, reason = "read by the feature `redshift` alone"))]
pub(crate) struct Staging {
    /// For Redshift: where files are staged: s3://bucket/prefix; by `stage` also gs://…, az://… or file:///FOLDER. Credentials come from the
    /// environment
    #[arg(long, value_name = "URL", help_heading = "Redshift")]
    staging: Option<String>,
    /// The role with which the cluster reads the staged files: an ARN [default: the cluster's default role]
    #[arg(long, value_name = "ARN", conflicts_with = "aws_keys", help_heading = "Redshift")]
    iam_role: Option<String>,
    /// Let the cluster read with the access key in the environment; it then stands in the cluster's query log
    #[arg(long, help_heading = "Redshift")]
    aws_keys: bool,
    /// The files' format: auto, parquet or csv [default: auto]
    #[arg(long, value_name = "FORMAT", help_heading = "Redshift")]
    stage_format: Option<String>,
    /// The number of files is a multiple of this [default: the cluster's slices, or 4]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096), help_heading = "Redshift")]
    slices: Option<u32>,
    /// The address of an S3-compatible store: http://127.0.0.1:9000 [default: AWS_ENDPOINT_URL, else Amazon's]
    #[arg(long, value_name = "URL", help_heading = "Redshift")]
    s3_endpoint: Option<String>,
    /// The bucket's region, where it is not the cluster's
    #[arg(long, value_name = "REGION", help_heading = "Redshift")]
    bucket_region: Option<String>,
}

impl Staging {
    /// The first of these options that was given.
    pub(crate) fn given(&self) -> Option<&'static str> {
        let all = [
            ("--staging", self.staging.is_some()),
            ("--iam-role", self.iam_role.is_some()),
            ("--aws-keys", self.aws_keys),
            ("--stage-format", self.stage_format.is_some()),
            ("--slices", self.slices.is_some()),
            ("--s3-endpoint", self.s3_endpoint.is_some()),
            ("--bucket-region", self.bucket_region.is_some()),
        ];
        all.into_iter().find_map(|(option, is_given)| is_given.then_some(option))
    }
}

#[cfg(feature = "redshift")]
mod with {
    use longshore::load::{CopyAuthorization, RedshiftOptions, ScriptOptions, StageOptions, StageTarget, StagedLoad};
    use longshore::plan::RedshiftTable;
    use longshore::{Error, Loader, Result};

    use super::Staging;

    impl Staging {
        fn stage(&self) -> Result<StageOptions> {
            let url = self.staging.as_deref().ok_or_else(|| {
                Error::config("rows come into Redshift through an object store, and none is named")
                    .with_hint("name one: --staging s3://bucket/prefix")
            })?;
            let mut stage = StageOptions::new(url)?;
            if let Some(format) = &self.stage_format {
                stage = stage.with_format(format.parse()?);
            }
            if let Some(slices) = self.slices {
                stage = stage.with_slices(slices);
            }
            if let Some(endpoint) = &self.s3_endpoint {
                stage = stage.with_endpoint(endpoint);
            }
            if let Some(region) = &self.bucket_region {
                stage = stage.with_region(region);
            }
            Ok(stage)
        }

        fn authorization(&self) -> Result<CopyAuthorization> {
            match (&self.iam_role, self.aws_keys) {
                (Some(role), _) => Ok(CopyAuthorization::Role(role.clone())),
                (None, true) => CopyAuthorization::from_env(),
                (None, false) => Ok(CopyAuthorization::DefaultRole),
            }
        }

        /// A loader into Redshift.
        pub(crate) fn loader(&self, url: &str) -> Result<Loader> {
            let mut options = RedshiftOptions::new(self.stage()?).with_authorization(self.authorization()?);
            if let Some(region) = &self.bucket_region {
                options = options.with_copy_region(region);
            }
            Ok(Loader::redshift(url, options))
        }

        fn script(&self, live: Option<RedshiftTable>) -> Result<ScriptOptions> {
            let mut options = ScriptOptions::new(self.stage()?).with_authorization(self.authorization()?);
            if let Some(region) = &self.bucket_region {
                options = options.with_copy_region(region);
            }
            if let Some(live) = live {
                options = options.with_live(live);
            }
            Ok(options)
        }

        /// A loader that stages for a script, and for the table as it is, if it is there.
        pub(crate) fn stager(&self, live: Option<RedshiftTable>) -> Result<Loader> {
            Ok(Loader::stage(self.script(live)?))
        }

        /// What was staged.
        pub(crate) fn find(&self, table: &str, load_id: &str) -> Result<Option<StagedLoad>> {
            StageTarget::find(&self.script(None)?, table, load_id)
        }
    }
}

#[cfg(not(feature = "redshift"))]
impl Staging {
    /// A loader into Redshift, which this build does not have.
    pub(crate) fn loader(&self, _: &str) -> Result<Loader> {
        Err(missing())
    }
}

/// An error for a build without Redshift.
#[cfg(not(feature = "redshift"))]
pub(crate) fn missing() -> longshore::Error {
    longshore::Error::new(
        longshore::ErrorKind::Unsupported,
        "this build of longshore has no Redshift and no object stores",
    )
    .with_hint("build it with them: cargo install --path cli --features redshift")
}

//! `latchkey setup`: the first administrator, with the token that a first start printed.

use clap::Args;
use http::{Method, StatusCode};
use serde_json::json;

use crate::client::{Reach, secret_from};
use crate::exit::Reason;
use crate::output::{Output, complain, say};

const EXAMPLES: &str = "\
Examples:
  latchkey setup --organization Acme --email ada@example.com --name Ada
      paste the token lk_setup_… that `latchkey serve` printed at its first start
  LATCHKEY_SETUP_TOKEN=… latchkey setup --organization Acme --email ada@example.com --name Ada";

/// The environment's name for the token.
const TOKEN: &str = "LATCHKEY_SETUP_TOKEN";

/// Make the first administrator; prints their key.
#[derive(Args)]
#[command(before_help = EXAMPLES)]
pub(crate) struct Setup {
    #[command(flatten)]
    reach: Reach,
    /// The name of the first organization, which operates the server.
    #[arg(long)]
    organization: String,
    /// The administrator's address.
    #[arg(long)]
    email: String,
    /// The administrator's name.
    #[arg(long)]
    name: String,
}

impl Setup {
    pub(crate) async fn run(self, output: Output) -> anyhow::Result<()> {
        let token = match std::env::var(TOKEN) {
            Ok(token) => token,
            Err(_) => {
                complain("The set-up token (it begins with lk_setup_):");
                let mut line = String::new();
                std::io::stdin().read_line(&mut line)?;
                secret_from(line.as_bytes()).map_err(|_| {
                    Reason::Usage.because(format!(
                        "no token; put it into {TOKEN} or on standard input"
                    ))
                })?
            }
        };
        let body =
            json!({"organization": self.organization, "email": self.email, "name": self.name});
        let answer = self
            .reach
            .server(Some(token.trim()))?
            .send(Method::POST, "/api/v1/setup", Some(&body), &[])
            .await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            return Err(Reason::Refused.because(
                "the server does not take this set-up token: it must be the last one printed, \
                 since each start without an administrator makes a new one, and is good for an hour",
            ));
        }
        let made = answer.good()?;
        if output.json {
            output.value(&made);
            return Ok(());
        }
        say(&format!(
            "{} is operated by {}, who calls with this key:",
            self.organization, self.email
        ));
        say(made["secret"]["key"].as_str().unwrap_or_default());
        complain(
            "This is shown once. Put it into LATCHKEY_KEY, or into a file that LATCHKEY_KEY_FILE names.",
        );
        Ok(())
    }
}

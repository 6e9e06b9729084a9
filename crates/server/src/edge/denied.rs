//! What is known of a request whose credential did not suffice, for whoever writes the refusal in a shape of their own.
//! It travels as an extension of the answer, as `Arc<Denied>`; what of it may be told is theirs to decide.

use std::sync::Arc;

use authority::Authority;
use authority::tokens::{BadToken, Claims};
use authority::verify::{Presented, Question, Valid};
use credential::access::Allowed;
use credential::id::{OrganizationId, UserId};
use credential::key::Denial;
use credential::scope::Scope;
use credential::time::Instant;

/// See the module's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// Why; nothing where no credential was presented, or none that can be read.
    pub denial: Option<Denial>,
    /// Every scope that the request needs.
    pub required: Vec<Scope>,
    /// Those of them that a good credential lacks.
    pub missing: Vec<Scope>,
    /// What was presented, read as a token; nothing where nothing was.
    pub token: Option<Result<Arc<Claims>, BadToken>>,
    /// Whose the credential is, where it is good and only does not suffice.
    pub holder: Option<Holder>,
    /// The moment of the refusal.
    pub at: Instant,
}

/// Whoever presented a good credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// What the credential carries.
    pub scopes: Vec<Scope>,
    /// The person behind its key.
    pub owner: Option<UserId>,
    /// Their organization.
    pub organization: OrganizationId,
}

impl Denied {
    /// Nothing was presented, or nothing that can be read.
    pub fn nothing(authority: &Authority) -> Self {
        Self {
            denial: None,
            required: Vec::new(),
            missing: Vec::new(),
            token: None,
            holder: None,
            at: authority.now(),
        }
    }

    /// A bearer's question was answered with this denial. Whose a good credential is, is asked once more without
    /// spending; of another kind of proof it is not: it may be good for one question only.
    pub async fn of(authority: &Authority, question: &Question<'_>, denial: &Denial) -> Self {
        let mut denied = Self {
            denial: Some(denial.clone()),
            required: question.scopes.to_vec(),
            ..Self::nothing(authority)
        };
        let Presented::Bearer(text) = question.credential else {
            return denied;
        };
        denied.token = Some(authority.read_token(text));
        if matches!(denial, Denial::Scope(_)) {
            let question = Question {
                scopes: &[],
                resource: None,
                cost: 0,
                consume: false,
                ..*question
            };
            let looked = authority.verify(&question).await.ok();
            if let Some(valid) = looked.and_then(|answer| answer.verdict.ok()) {
                let lacks = |scope: &&Scope| valid.rights().allows(scope, None) != Allowed::Yes;
                denied.missing = denied.required.iter().filter(lacks).cloned().collect();
                denied.holder = Some(Holder::of(&valid));
            }
        }
        denied
    }
}

impl Holder {
    /// Whose this is.
    pub fn of(valid: &Valid) -> Self {
        let key = &valid.live.key;
        Self {
            scopes: valid.scopes().into_iter().cloned().collect(),
            owner: key.owner,
            organization: key.organization,
        }
    }
}

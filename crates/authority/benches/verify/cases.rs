//! What is asked, and what has to be answered.

use std::hint::black_box;

use authority::verify::{Answer, Question};
use credential::key::Kind;
use credential::limit::{Limit, MAX_QUOTA};
use credential::scope::Scope;
use credential::time::Span;
use credential::token::{self, TagKeys, Word};

use crate::house::{House, SCOPE};

/// Tasks that ask for keys that were never asked for: enough that the store reads and writes for many at once.
const WARMERS: usize = 64;

/// One row of the table.
pub(crate) struct Case {
    pub(crate) name: String,
    asked: Asked,
}

enum Asked {
    Verify {
        credentials: Vec<String>,
        scopes: Vec<Scope>,
        consume: bool,
        code: &'static str,
    },
    Parse {
        credential: String,
        tags: TagKeys,
    },
}

/// The cases of one or few keys.
pub(crate) struct Cases(Vec<Case>);

impl Cases {
    pub(crate) async fn few(house: &House) -> Self {
        let (orders, reports) = (scope(SCOPE), scope("sample.reports:read"));
        let key = house.key(Kind::Static, &[]).await;
        let limited = house.key(Kind::Static, &[plenty()]).await;
        let verify = |name: &str, credential: &str, code| Case {
            name: name.to_owned(),
            asked: Asked::Verify {
                credentials: vec![credential.to_owned()],
                scopes: vec![orders.clone()],
                consume: true,
                code,
            },
        };
        let looked_at = Case {
            name: "static key, no limit, usage not noted".to_owned(),
            asked: Asked::Verify {
                credentials: vec![key.clone()],
                scopes: vec![orders.clone()],
                consume: false,
                code: "VALID",
            },
        };
        let lacking = Case {
            name: "refused: a scope is missing".to_owned(),
            asked: Asked::Verify {
                credentials: vec![key.clone()],
                scopes: vec![reports],
                consume: true,
                code: "INSUFFICIENT_SCOPE",
            },
        };
        Self(vec![
            looked_at,
            verify("static key, no limit", &key, "VALID"),
            verify("static key, one limit", &limited, "VALID"),
            verify(
                "opaque access token",
                &house.key(Kind::TokenPair, &[]).await,
                "VALID",
            ),
            verify("jwt key", &house.key(Kind::Jwt, &[]).await, "VALID"),
            verify("jwt of a client", &house.access_token().await, "VALID"),
            verify("refused: junk", "lk_key_junk", "NOT_FOUND"),
            verify("refused: a forged tag", &forged(), "NOT_FOUND"),
            verify(
                "refused: an unknown id",
                &house.lost_key().await,
                "NOT_FOUND",
            ),
            lacking,
            parse(),
        ])
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Case> {
        self.0.iter()
    }
}

impl Case {
    pub(crate) fn name_of_many(count: usize, limited: bool) -> String {
        let limit = if limited {
            "one limit each"
        } else {
            "no limit"
        };
        format!("static keys, {count}, {limit}")
    }

    /// Very many keys, each asked for once already.
    pub(crate) async fn many(house: &House, count: usize, limited: bool) -> Self {
        let limits: Vec<Limit> = limited.then(plenty).into_iter().collect();
        let mut credentials = house.keys(count, &limits).await;
        shuffle(&mut credentials);
        let warmers = credentials.chunks(count.div_ceil(WARMERS)).map(|part| {
            let (authority, part) = (house.authority.clone(), part.to_vec());
            tokio::spawn(async move {
                for credential in &part {
                    authority
                        .verify(&Question::bearer(credential))
                        .await
                        .unwrap();
                }
            })
        });
        for warmer in warmers.collect::<Vec<_>>() {
            warmer.await.unwrap();
        }
        let asked = Asked::Verify {
            credentials,
            scopes: vec![scope(SCOPE)],
            consume: true,
            code: "VALID",
        };
        Case {
            name: Self::name_of_many(count, limited),
            asked,
        }
    }

    /// How many questions there are before they come again.
    pub(crate) fn len(&self) -> usize {
        match &self.asked {
            Asked::Verify { credentials, .. } => credentials.len(),
            Asked::Parse { .. } => 1,
        }
    }

    /// Reads the texts of the questions to come.
    pub(crate) fn touch(&self, next: usize, count: usize) -> u64 {
        let Asked::Verify { credentials, .. } = &self.asked else {
            return 0;
        };
        let texts = (next..next + count).map(|at| &credentials[at % credentials.len()]);
        texts.flat_map(|text| text.bytes()).map(u64::from).sum()
    }

    /// Asks `count` questions from `next` on and returns the next one after them.
    ///
    /// # Panics
    /// When one is answered with another code than it should be.
    pub(crate) async fn answer(&self, house: &House, next: usize, count: usize) -> usize {
        match &self.asked {
            Asked::Verify {
                credentials,
                scopes,
                consume,
                code,
            } => {
                for at in next..next + count {
                    let question = Question {
                        scopes,
                        consume: *consume,
                        ..Question::bearer(&credentials[at % credentials.len()])
                    };
                    let answer = house.authority.verify(&question).await.unwrap();
                    assert_eq!(told(&answer), *code, "{}", self.name);
                    black_box(answer);
                }
            }
            Asked::Parse { credential, tags } => {
                for _ in 0..count {
                    black_box(token::parse(black_box(credential), tags)).unwrap();
                }
            }
        }
        next + count
    }
}

fn told(answer: &Answer) -> &'static str {
    match &answer.verdict {
        Ok(_) => "VALID",
        Err(denial) => denial.code(),
    }
}

fn scope(text: &str) -> Scope {
    Scope::new(text).unwrap()
}

/// A limit that is counted exactly and never reached.
fn plenty() -> Limit {
    Limit::new("hour", MAX_QUOTA, Span::from_hours(1)).unwrap()
}

fn tags(first: u8) -> TagKeys {
    TagKeys::new([(1, [first; 32])]).unwrap()
}

fn parse() -> Case {
    let tags = tags(3);
    let credential = token::mint(Word::Key, &[7; 16], 0, &[9; 32], &tags)
        .expose()
        .to_owned();
    Case {
        name: "parse alone".to_owned(),
        asked: Asked::Parse { credential, tags },
    }
}

/// A credential of another server: its checksum is right and its tag is not ours.
fn forged() -> String {
    let secret = token::mint(Word::Key, &[7; 16], 0, &[9; 32], &tags(4));
    secret.expose().to_owned()
}

/// One order for every run.
fn shuffle(texts: &mut [String]) {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    for at in (1..texts.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        texts.swap(at, (state % (at as u64 + 1)) as usize);
    }
}

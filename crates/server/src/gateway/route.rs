//! The route table: method and path → what a request needs. What no route fits is refused.
//!
//! A pattern is a path whose segments are literals, `{name}` for any one segment, or a final `**`
//! for any number of them, none included. The most specific pattern that fits a path decides for
//! it, compared segment by segment from the left: literal before `{name}` before `**`. Its routes
//! decide alone: if none of them is for the method, the request is refused, and no wider pattern
//! is asked, since a wider one usually needs less.

use std::cmp::Ordering;

use credential::scope::Scope;
use http::Method;

use super::path::CleanPath;
use crate::config::RouteRule;

/// What a request needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The scopes that the key must hold, all of them; none means any valid key of the product.
    pub scopes: Vec<Scope>,
    /// Whether the scopes are needed on some resource only, of which the upstream is told.
    pub somewhere: bool,
    /// The units of the limits that it spends.
    pub cost: u32,
}

/// The routes of one policy.
#[derive(Debug, Clone)]
pub struct Table {
    /// The most specific pattern first.
    patterns: Vec<(Pattern, Vec<Route>)>,
}

/// The route that fits a request.
#[derive(Debug, Clone, Copy)]
pub struct Found<'t> {
    /// What the request needs.
    pub rule: &'t Rule,
    /// The pattern as the policy writes it.
    pub pattern: &'t str,
    resource: Option<&'t Resource>,
}

/// A list of routes that means nothing, or two things.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRoutes {
    /// A pattern that is no path.
    #[error("the pattern {0:?} does not begin with a slash")]
    NoSlash(String),
    /// A pattern with a segment that is neither plain text nor `{name}` nor a final `**`.
    #[error(
        "the pattern {0:?} has the segment {1:?}, which is neither plain text, {{name}}, nor a final **"
    )]
    Segment(String, String),
    /// A pattern with the same `{name}` twice.
    #[error("the pattern {0:?} has {{{1}}} twice")]
    Twice(String, String),
    /// A resource that the pattern does not have.
    #[error("the pattern {0:?} has no {{{1}}} for its resource")]
    NoResource(String, String),
    /// Two routes for one method and the same paths.
    #[error("the pattern {0:?} has two routes for the method {1}")]
    Ambiguous(String, String),
    /// A route that asks for a scope which the product does not have.
    #[error("the route {0:?} asks for the scope {1:?}, which the product does not declare")]
    NoScope(String, String),
    /// A route that names a resource of a kind which the product does not have.
    #[error("the route {0:?} names a resource {1:?}, a kind that the product does not declare")]
    NoKind(String, String),
}

#[derive(Debug, Clone)]
struct Route {
    /// Any when empty.
    methods: Vec<Method>,
    rule: Rule,
    resource: Option<Resource>,
}

/// Where a path names a resource, and of what kind it is.
#[derive(Debug, Clone)]
struct Resource {
    kind: String,
    segment: usize,
}

#[derive(Debug, Clone)]
struct Pattern {
    text: String,
    segments: Vec<Segment>,
    /// Whether anything may follow.
    open: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Any,
}

impl Table {
    /// Reads the routes of a policy; `scopes` reads what one of them asks for.
    ///
    /// # Errors
    /// The first route that means nothing, or the same as another, or that `scopes` does not accept.
    pub fn new(
        rules: &[RouteRule],
        scopes: impl Fn(&RouteRule) -> Result<Vec<Scope>, BadRoutes>,
    ) -> Result<Self, BadRoutes> {
        let mut patterns: Vec<(Pattern, Vec<Route>)> = Vec::new();
        for rule in rules {
            let (pattern, names) = Pattern::parse(&rule.path)?;
            let resource = match &rule.resource {
                None => None,
                Some(name) => Some(Resource {
                    kind: name.clone(),
                    segment: names
                        .iter()
                        .position(|known| known.as_deref() == Some(name))
                        .ok_or_else(|| BadRoutes::NoResource(rule.path.clone(), name.clone()))?,
                }),
            };
            let route = Route {
                methods: rule.methods.clone(),
                rule: Rule {
                    scopes: scopes(rule)?,
                    somewhere: rule.resources.is_some(),
                    cost: rule.cost,
                },
                resource,
            };
            match patterns
                .iter_mut()
                .find(|(known, _)| known.fits_like(&pattern))
            {
                None => patterns.push((pattern, vec![route])),
                Some((_, routes)) => {
                    if let Some(method) = routes.iter().find_map(|other| other.shares(&route)) {
                        return Err(BadRoutes::Ambiguous(rule.path.clone(), method));
                    }
                    routes.push(route);
                }
            }
        }
        patterns.sort_by(|(a, _), (b, _)| a.compare(b));
        Ok(Self { patterns })
    }

    /// The route that fits, or nothing: then the request is refused.
    pub fn find(&self, method: &Method, path: &CleanPath) -> Option<Found<'_>> {
        let (pattern, routes) = self
            .patterns
            .iter()
            .find(|(pattern, _)| pattern.fits(path.segments()))?;
        let named = |method: &Method| routes.iter().find(|route| route.methods.contains(method));
        let head = || {
            (method == Method::HEAD)
                .then(|| named(&Method::GET))
                .flatten()
        };
        let any = || routes.iter().find(|route| route.methods.is_empty());
        let route = named(method).or_else(head).or_else(any)?;
        Some(Found {
            rule: &route.rule,
            pattern: &pattern.text,
            resource: route.resource.as_ref(),
        })
    }
}

impl Found<'_> {
    /// The resource that the path names, as `kind:id`, where the route says which segment it is.
    pub fn resource(&self, path: &CleanPath) -> Option<String> {
        let resource = self.resource?;
        let id = path.segments().get(resource.segment)?;
        Some(format!("{}:{id}", resource.kind))
    }
}

impl Route {
    /// A method that both are for.
    fn shares(&self, other: &Route) -> Option<String> {
        if self.methods.is_empty() && other.methods.is_empty() {
            return Some("any".to_owned());
        }
        self.methods
            .iter()
            .find(|method| other.methods.contains(method))
            .map(Method::to_string)
    }
}

impl Pattern {
    /// The pattern, and the name of each of its segments that has one.
    fn parse(text: &str) -> Result<(Self, Vec<Option<String>>), BadRoutes> {
        let rest = text
            .strip_prefix('/')
            .ok_or_else(|| BadRoutes::NoSlash(text.to_owned()))?;
        let mut pattern = Self {
            text: text.to_owned(),
            segments: Vec::new(),
            open: false,
        };
        let mut names: Vec<Option<String>> = Vec::new();
        let parts: Vec<&str> = if rest.is_empty() {
            Vec::new()
        } else {
            rest.split('/').collect()
        };
        for (index, part) in parts.iter().enumerate() {
            let bad = || BadRoutes::Segment(text.to_owned(), (*part).to_owned());
            if *part == "**" && index + 1 == parts.len() {
                pattern.open = true;
                continue;
            }
            if let Some(name) = part
                .strip_prefix('{')
                .and_then(|part| part.strip_suffix('}'))
            {
                if name.is_empty() || name.contains(['{', '}', '*']) {
                    return Err(bad());
                }
                if names.iter().any(|known| known.as_deref() == Some(name)) {
                    return Err(BadRoutes::Twice(text.to_owned(), name.to_owned()));
                }
                pattern.segments.push(Segment::Any);
                names.push(Some(name.to_owned()));
                continue;
            }
            let plain = CleanPath::parse(&format!("/{part}")).map_err(|_| bad())?;
            match plain.segments() {
                [segment] if !part.contains(['{', '}', '*']) => {
                    pattern.segments.push(Segment::Literal(segment.clone()));
                    names.push(None);
                }
                _ => return Err(bad()),
            }
        }
        Ok((pattern, names))
    }

    /// Whether both fit the same paths, however their `{name}`s are called.
    fn fits_like(&self, other: &Self) -> bool {
        self.open == other.open && self.segments == other.segments
    }

    fn fits(&self, path: &[String]) -> bool {
        let long_enough = if self.open {
            path.len() >= self.segments.len()
        } else {
            path.len() == self.segments.len()
        };
        long_enough
            && self
                .segments
                .iter()
                .zip(path)
                .all(|(segment, text)| match segment {
                    Segment::Any => true,
                    Segment::Literal(literal) => literal == text,
                })
    }

    /// The more specific comes first.
    fn compare(&self, other: &Pattern) -> Ordering {
        for index in 0.. {
            let order = match (self.segments.get(index), other.segments.get(index)) {
                (None, None) => return self.open.cmp(&other.open),
                (Some(_), None) => return Ordering::Less,
                (None, Some(_)) => return Ordering::Greater,
                (Some(Segment::Literal(a)), Some(Segment::Literal(b))) => a.cmp(b),
                (Some(Segment::Literal(_)), Some(Segment::Any)) => Ordering::Less,
                (Some(Segment::Any), Some(Segment::Literal(_))) => Ordering::Greater,
                (Some(Segment::Any), Some(Segment::Any)) => Ordering::Equal,
            };
            if order != Ordering::Equal {
                return order;
            }
        }
        Ordering::Equal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The scopes as they are written.
    fn table(rules: &[RouteRule]) -> Result<Table, BadRoutes> {
        Table::new(rules, |rule| {
            Ok(rule
                .scopes
                .iter()
                .map(|text| Scope::new(text).unwrap())
                .collect())
        })
    }

    fn route(methods: &[Method], path: &str, scope: &str) -> RouteRule {
        RouteRule {
            methods: methods.to_vec(),
            path: path.to_owned(),
            scopes: vec![scope.to_owned()],
            resource: path.contains("{id}").then(|| "id".to_owned()),
            resources: None,
            cost: 1,
        }
    }

    /// The scope that a request needs and the resource it names, or "refused".
    fn needs(table: &Table, method: Method, path: &str) -> String {
        let path = CleanPath::parse(path).unwrap();
        match table.find(&method, &path) {
            None => "refused".to_owned(),
            Some(found) => format!(
                "{} {}",
                found.rule.scopes[0].as_str(),
                found.resource(&path).unwrap_or_default()
            ),
        }
    }

    #[test]
    fn the_most_specific_pattern_decides_in_whatever_order_they_are_listed() {
        let mut rules = vec![
            route(&[], "/**", "any"),
            route(&[Method::GET], "/orders", "list"),
            route(&[Method::GET, Method::POST], "/orders/{id}", "one"),
            route(&[Method::GET], "/orders/{id}/lines/**", "lines"),
            route(&[Method::GET], "/orders/export", "export"),
            route(&[Method::DELETE], "/orders/{id}", "remove"),
        ];
        for _ in 0..rules.len() {
            rules.rotate_left(1);
            let known = table(&rules).unwrap();
            for (method, path, expected) in [
                (Method::GET, "/orders", "list "),
                (Method::GET, "/orders/", "list "),
                (Method::HEAD, "/orders", "list "),
                (Method::GET, "/orders/7", "one id:7"),
                (Method::GET, "/%6Frders/7", "one id:7"),
                (Method::DELETE, "/orders/7", "remove id:7"),
                (Method::GET, "/orders/export", "export "),
                (Method::GET, "/orders/7/lines", "lines id:7"),
                (Method::GET, "/orders/7/lines/1/2", "lines id:7"),
                (Method::GET, "/orders/7/other", "any "),
                (Method::GET, "/Orders", "any "),
                (Method::GET, "/", "any "),
                // The narrow pattern has no route for it, and the wide one is not asked.
                (Method::DELETE, "/orders/export", "refused"),
                (Method::POST, "/orders", "refused"),
            ] {
                assert_eq!(
                    needs(&known, method.clone(), path),
                    expected,
                    "{method} {path}"
                );
            }
        }
    }

    #[test]
    fn what_no_route_fits_is_refused() {
        let known = table(&[route(&[Method::GET], "/a/{id}", "x")]).unwrap();
        for path in ["/", "/a", "/a/b/c", "/b/c"] {
            assert_eq!(needs(&known, Method::GET, path), "refused", "{path}");
        }
        assert_eq!(needs(&table(&[]).unwrap(), Method::GET, "/"), "refused");
    }

    #[test]
    fn routes_that_mean_nothing_or_two_things_are_refused() {
        let one = |path: &str| table(&[route(&[], path, "x")]).unwrap_err().to_string();
        assert_eq!(one("a"), "the pattern \"a\" does not begin with a slash");
        for path in ["/a/**/b", "/a//b", "/{}", "/a*", "/{a}{b}", "/..", "/a/"] {
            assert!(one(path).contains("which is neither"), "{path}");
        }
        assert!(one("/{a}/{a}").contains("{a} twice"));
        let rule = RouteRule {
            resource: Some("b".to_owned()),
            ..route(&[], "/{a}", "x")
        };
        assert!(
            table(&[rule])
                .unwrap_err()
                .to_string()
                .contains("has no {b}")
        );
        let twice = [
            route(&[Method::GET], "/{a}", "x"),
            route(&[Method::PUT, Method::GET], "/{b}", "y"),
        ];
        assert!(
            table(&twice)
                .unwrap_err()
                .to_string()
                .contains("two routes for the method GET")
        );
    }
}

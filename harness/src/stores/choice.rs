//! Which DynamoDB and which PostgreSQL the embedded targets of a run stand on: what the environment asks for.

/// A kind of store, and what the environment says of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// What it is called.
    pub name: &'static str,
    /// The variable that says which.
    pub variable: &'static str,
    /// The word for one of the run's own without a container.
    own: &'static str,
    /// What a URL of one begins with.
    schemes: &'static [&'static str],
    /// The variable that names another image.
    pub image_variable: &'static str,
    image: &'static str,
}

/// DynamoDB.
pub static DYNAMODB: Kind = Kind {
    name: "DynamoDB",
    variable: "WATERTIGHT_DYNAMODB",
    own: "embedded",
    schemes: &["http://", "https://"],
    image_variable: "WATERTIGHT_DYNAMODB_IMAGE",
    image: "amazon/dynamodb-local:latest",
};

/// PostgreSQL.
pub static POSTGRES: Kind = Kind {
    name: "PostgreSQL",
    variable: "WATERTIGHT_POSTGRES",
    own: "local",
    schemes: &["postgres://", "postgresql://"],
    image_variable: "WATERTIGHT_POSTGRES_IMAGE",
    image: "postgres:17",
};

/// What the environment asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The first that works.
    Auto,
    /// One of the run's own: in this process, or from this machine's programs.
    Own,
    /// A container of the run's.
    Container,
    /// None: whatever needs one is absent.
    None,
    /// A server.
    Url(String),
}

/// The variable says something else.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{} is '{said}', expected auto, {}, container, none, or a URL that begins with {}",
    kind.variable, kind.own, kind.schemes.join(" or ")
)]
pub struct NoChoice {
    kind: &'static Kind,
    said: String,
}

impl Kind {
    /// What the environment asks for.
    pub fn choice(&'static self) -> Result<Choice, NoChoice> {
        self.understand(std::env::var(self.variable).ok().as_deref())
    }

    fn understand(&'static self, said: Option<&str>) -> Result<Choice, NoChoice> {
        match said {
            None | Some("" | "auto") => Ok(Choice::Auto),
            Some(own) if own == self.own => Ok(Choice::Own),
            Some("container") => Ok(Choice::Container),
            Some("none") => Ok(Choice::None),
            Some(url) if self.schemes.iter().any(|scheme| url.starts_with(scheme)) => {
                Ok(Choice::Url(url.to_owned()))
            }
            // A URL of another kind may hold a password.
            Some(other) => {
                let said = other.split_once("://").map_or(other, |(scheme, _)| scheme).to_owned();
                Err(NoChoice { kind: self, said })
            }
        }
    }

    /// Why a choice was made, in brackets behind what was chosen.
    pub fn why(&self, choice: &Choice) -> String {
        match choice {
            Choice::Auto => format!("{} is not set, and this is the first that works", self.variable),
            Choice::Own => format!("{} is '{}'", self.variable, self.own),
            Choice::Container => format!("{} is 'container'", self.variable),
            Choice::None => format!("{} is 'none'", self.variable),
            Choice::Url(_) => format!("{} names it", self.variable),
        }
    }

    /// The image of a container: name and tag.
    pub fn image(&self) -> (String, String) {
        let named = std::env::var(self.image_variable).ok().filter(|image| !image.is_empty());
        name_and_tag(named.as_deref().unwrap_or(self.image))
    }
}

/// The port of a registry is no tag.
fn name_and_tag(image: &str) -> (String, String) {
    match image.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')) {
        Some((name, tag)) => (name.to_owned(), tag.to_owned()),
        None => (image.to_owned(), "latest".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Choice, DYNAMODB, POSTGRES, name_and_tag};

    #[test]
    fn a_variable_is_one_of_few_words_or_a_url() {
        assert_eq!(POSTGRES.understand(None).unwrap(), Choice::Auto);
        assert_eq!(POSTGRES.understand(Some("local")).unwrap(), Choice::Own);
        assert_eq!(DYNAMODB.understand(Some("embedded")).unwrap(), Choice::Own);
        assert_eq!(DYNAMODB.understand(Some("container")).unwrap(), Choice::Container);
        assert!(matches!(POSTGRES.understand(Some("postgresql://u@h/d")).unwrap(), Choice::Url(_)));
        assert!(DYNAMODB.understand(Some("local")).unwrap_err().to_string().contains("embedded"));
        let error = POSTGRES.understand(Some("mysql://root:hunter2@h/d")).unwrap_err().to_string();
        assert!(error.contains("'mysql'") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn an_image_has_a_tag_and_a_registry_may_have_a_port() {
        let of = |image: &str| {
            let (name, tag) = name_and_tag(image);
            format!("{name} {tag}")
        };
        assert_eq!(of("postgres:16"), "postgres 16");
        assert_eq!(of("postgres"), "postgres latest");
        assert_eq!(of("registry.invalid:5000/postgres"), "registry.invalid:5000/postgres latest");
    }
}

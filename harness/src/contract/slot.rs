//! A slot: one place in a request, and the kind of thing it names.

use std::fmt;
use std::str::FromStr;

/// Where in a request a slot is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// A parameter of the path template.
    Path(String),
    /// A query parameter.
    Query(String),
    /// A header.
    Header(String),
    /// Segments of a JSON pointer into the body; `*` stands for every element of an array.
    Body(Vec<String>),
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || {
            format!(
                "the place '{text}': expected path/NAME, query/NAME, header/NAME or body/POINTER, as in body/teamIds/*"
            )
        };
        let (place, rest) = text.split_once('/').filter(|(_, rest)| !rest.is_empty()).ok_or_else(wrong)?;
        match place {
            "path" => Ok(Place::Path(rest.to_owned())),
            "query" => Ok(Place::Query(rest.to_owned())),
            "header" => Ok(Place::Header(rest.to_owned())),
            "body" => Ok(Place::Body(rest.split('/').map(str::to_owned).collect())),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Path(name) => write!(f, "path/{name}"),
            Place::Query(name) => write!(f, "query/{name}"),
            Place::Header(name) => write!(f, "header/{name}"),
            Place::Body(pointer) => write!(f, "body/{}", pointer.join("/")),
        }
    }
}

/// One place and what it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Where.
    pub place: Place,
    /// What it names or is filled with.
    pub kind: SlotKind,
    /// The request is valid without it.
    pub optional: bool,
    /// What the document's example has in this place.
    pub example: Option<String>,
}

macro_rules! slot_kinds {
    ($($(#[$doc:meta])* $variant:ident = $word:literal, $names:literal;)+) => {
        /// What a slot names, or is filled with.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum SlotKind {
            $($(#[$doc])* $variant,)+
        }

        impl SlotKind {
            /// Every kind.
            pub const ALL: &[SlotKind] = &[$(SlotKind::$variant,)+];

            /// The word of the notation.
            pub fn as_str(self) -> &'static str {
                match self { $(SlotKind::$variant => $word,)+ }
            }

            /// Whether the kind names something a tenant owns, so that a hop swaps it.
            pub fn names(self) -> bool {
                match self { $(SlotKind::$variant => $names,)+ }
            }
        }
    };
}

slot_kinds! {
    /// An organisation, the tenant itself.
    Org = "org", true;
    /// A team.
    Team = "team", true;
    /// A role of an organisation.
    Role = "role", true;
    /// A role inside a team.
    TeamRole = "team-role", true;
    /// A user of an organisation.
    User = "user", true;
    /// A user as member of the team in the same request.
    Member = "member", true;
    /// Somebody's membership of an organisation, where it has an id of its own.
    Membership = "membership", true;
    /// An invitation, by id.
    Invitation = "invitation", true;
    /// An invitation, by its secret token.
    InvitationToken = "invitation-token", true;
    /// An export job.
    AuditExport = "audit-export", true;
    /// A tenant's record, where the target tells tenants from organisations.
    Tenant = "tenant", true;
    /// A product.
    Product = "product", true;
    /// Free text, filled with the tenant's canary.
    Text = "text", false;
    /// A fresh e-mail address.
    Email = "email", false;
    /// A fresh slug.
    Slug = "slug", false;
    /// A fresh password.
    Password = "password", false;
    /// Somebody the target knows and no organisation does.
    Person = "person", false;
    /// The caller's own id.
    Caller = "caller", false;
    /// A status, left as the example has it.
    Status = "status", false;
    /// A permission of the catalogue, left as the example has it.
    Permission = "permission", false;
    /// A predefined role, the same for all tenants, left as the example has it.
    PlatformRole = "platform-role", false;
    /// A resource type of the audit log, left as the example has it.
    ResourceType = "resource-type", false;
}

impl SlotKind {
    /// Kinds whose value comes from the example and not from the harness.
    pub fn from_example(self) -> bool {
        matches!(
            self,
            SlotKind::Status | SlotKind::Permission | SlotKind::PlatformRole | SlotKind::ResourceType
        )
    }
}

impl FromStr for SlotKind {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        SlotKind::ALL.iter().copied().find(|kind| kind.as_str() == word).ok_or(())
    }
}

impl fmt::Display for SlotKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

//! The entities that libclang finds in wsk.h, as items.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context, Result, ensure};
use clang::token::Token;
use clang::{Entity, EntityKind, EvaluationResult, Type};

use super::gates::Gates;
use super::items::{Field, Item, Items, Kind, Macro, Number, Parameter, Signature, Structure};
use super::read::{HEADER, Header, RELEASES, VALUE, is_named};
use super::spelling::Spelling;

/// What has been read so far.
pub(super) struct Reader<'tu> {
    gates: Gates,
    spelling: Spelling<'tu>,
    items: Items,
    targets: BTreeMap<String, u64>,
    /// The values of the wrapper's constants.
    values: BTreeMap<String, Number>,
    /// The macros of the header, each with its gate.
    macros: BTreeMap<String, (Entity<'tu>, Option<String>)>,
}

impl<'tu> Reader<'tu> {
    pub(super) fn new(gates: Gates) -> Self {
        Self {
            gates,
            spelling: Spelling::default(),
            items: Items::new(),
            targets: BTreeMap::new(),
            values: BTreeMap::new(),
            macros: BTreeMap::new(),
        }
    }

    pub(super) fn entities(&mut self, entities: &[Entity<'tu>]) -> Result<()> {
        for entity in entities {
            if matches!(entity.get_kind(), EntityKind::LinkageSpec | EntityKind::UnexposedDecl) {
                // `extern "C" { … }`
                self.entities(&entity.get_children())?;
                continue;
            }
            let Some(place) = entity.get_location().map(|place| place.get_expansion_location())
            else {
                continue;
            };
            let Some(file) = place.file.map(|file| file.get_path()) else { continue };
            let name = entity.get_name().unwrap_or_default();
            if is_named(&file, HEADER) {
                self.entity(*entity, &name, place.line)
                    .with_context(|| format!("{HEADER}, line {}: {name}", place.line))?;
            } else if is_named(&file, RELEASES) && entity.get_kind() == EntityKind::MacroDefinition
            {
                self.target(entity, name);
            } else if let Some(name) = name.strip_prefix(VALUE) {
                self.values.extend(value(entity).map(|value| (name.to_owned(), value)));
            }
        }
        Ok(())
    }

    fn entity(&mut self, entity: Entity<'tu>, name: &str, line: u32) -> Result<()> {
        let gate = self.gates.of_line(line);
        let (name, kind) = match entity.get_kind() {
            // The project's own headers have macros of their own.
            EntityKind::MacroDefinition if name.starts_with("WSK_HEADERS_") => return Ok(()),
            EntityKind::MacroDefinition => {
                self.macros.insert(name.to_owned(), (entity, gate));
                return Ok(());
            }
            EntityKind::StructDecl | EntityKind::UnionDecl | EntityKind::EnumDecl => {
                let Some(name) = self.spelling.name(&entity).filter(|_| entity.is_definition())
                else {
                    return Ok(());
                };
                (name, self.definition(entity)?)
            }
            EntityKind::TypedefDecl => match self.typedef(entity, name)? {
                Some(kind) => (name.to_owned(), kind),
                None => return Ok(()),
            },
            EntityKind::FunctionDecl => {
                let ty = entity.get_type().context("it has no type")?;
                let parameters = entity.get_arguments().unwrap_or_default();
                (name.to_owned(), Kind::Function(self.signature(&ty, &parameters)?))
            }
            EntityKind::VarDecl => {
                let of = self.spelling.of(&entity.get_type().context("it has no type")?);
                (name.to_owned(), Kind::Variable { of })
            }
            _ => return Ok(()),
        };
        self.items.entry(name).or_insert(Item { gate, kind });
        Ok(())
    }

    /// What a name in a typedef stands for: none if it is just the name of a structure.
    fn typedef(&mut self, entity: Entity<'tu>, name: &str) -> Result<Option<Kind>> {
        let ty = entity.get_typedef_underlying_type().context("it stands for nothing")?;
        if let Some(pointee) = ty.get_pointee_type()
            && pointee.get_result_type().is_some()
        {
            let parameters: Vec<Entity<'tu>> = entity
                .get_children()
                .into_iter()
                .filter(|child| child.get_kind() == EntityKind::ParmDecl)
                .collect();
            return Ok(Some(Kind::FunctionType(self.signature(&pointee, &parameters)?)));
        }
        if let Some(declaration) = ty.get_canonical_type().get_declaration()
            && matches!(
                declaration.get_kind(),
                EntityKind::StructDecl | EntityKind::UnionDecl | EntityKind::EnumDecl
            )
        {
            match self.spelling.name(&declaration) {
                None => {
                    self.spelling.add_typedef(declaration, name);
                    return self.definition(declaration).map(Some);
                }
                Some(tag) if tag == name => return Ok(None),
                Some(_) => {}
            }
        }
        Ok(Some(Kind::Alias { of: self.spelling.of(&ty) }))
    }

    fn definition(&self, entity: Entity<'tu>) -> Result<Kind> {
        if entity.get_kind() == EntityKind::EnumDecl {
            let values = entity.get_children().into_iter().filter_map(|child| {
                let (signed, _) = child.get_enum_constant_value()?;
                Some((child.get_name()?, signed))
            });
            return Ok(Kind::Enumeration { values: values.collect() });
        }
        let ty = entity.get_type().context("it has no type")?;
        let mut fields = Vec::new();
        self.fields(&ty, 0, &mut fields)?;
        Ok(Kind::Structure(Structure {
            size: bytes(ty.get_sizeof())?,
            align: bytes(ty.get_alignof())?,
            fields,
        }))
    }

    /// The fields, and those of members without a name, which are spelled like the others.
    fn fields(&self, ty: &Type<'tu>, base: u64, fields: &mut Vec<Field>) -> Result<()> {
        for field in ty.get_fields().unwrap_or_default() {
            let field_type = field.get_type().context("a field has no type")?;
            let bits = bytes(field.get_offset_of_field())?;
            let at = base + bits / 8;
            let Some(name) =
                field.get_name().filter(|name| !name.is_empty() && !name.contains('('))
            else {
                self.fields(&field_type, at, fields)?;
                continue;
            };
            let mut ty = self.spelling.of(&field_type);
            if let Some(width) = field.get_bit_field_width() {
                let _ = write!(ty, " bits {}+{width}", bits % 8);
            }
            let line = field.get_location().map(|place| place.get_expansion_location().line);
            let gate = line.and_then(|line| self.gates.of_line(line));
            fields.push(Field { at, name, ty, gate });
        }
        Ok(())
    }

    fn signature(&self, ty: &Type<'tu>, parameters: &[Entity<'tu>]) -> Result<Signature> {
        let returns = self.spelling.of(&ty.get_result_type().context("it returns nothing")?);
        let types = ty.get_argument_types().context("it has no parameters")?;
        let mut named = Vec::new();
        for (index, ty) in types.iter().enumerate() {
            let name = parameters.get(index).and_then(Entity::get_name);
            let name = name.filter(|name| !name.is_empty()).unwrap_or_else(|| "_".to_owned());
            named.push(Parameter { ty: self.spelling.of(ty), name });
        }
        Ok(Signature { returns, parameters: named })
    }

    /// `#define NTDDI_WIN8 0x06020000`; other spellings name what is known already.
    fn target(&mut self, entity: &Entity<'tu>, name: String) {
        let tokens = entity.get_range().map(|range| range.tokenize()).unwrap_or_default();
        let [_, value, ..] = &tokens[..] else { return };
        let number = value.get_spelling();
        let number =
            number.strip_prefix("0x").and_then(|digits| u64::from_str_radix(digits, 16).ok());
        if let Some(number) = number.filter(|_| name.starts_with("NTDDI_")) {
            self.targets.insert(name, number);
        }
    }

    pub(super) fn finish(mut self) -> Result<Header> {
        // A gate that closes in a structure is that of its fields from there on: what stands below the
        // gate of the whole is said once.
        for item in self.items.values_mut() {
            if let Kind::Structure(structure) = &mut item.kind {
                for field in &mut structure.fields {
                    if field.gate == item.gate {
                        field.gate = None;
                    }
                }
            }
        }
        for (name, (entity, gate)) in &self.macros {
            let tokens = entity.get_range().map(|range| range.tokenize()).unwrap_or_default();
            let value = self.values.get(name).copied();
            let kind = if entity.is_function_like_macro() {
                Kind::Macro(Macro { parameters: Some(parameters(&tokens)), sample: value })
            } else if let Some(value) = value {
                Kind::Constant { value }
            } else if tokens.len() > 1 {
                Kind::Macro(Macro { parameters: None, sample: None })
            } else {
                // An include guard.
                continue;
            };
            self.items.insert(name.clone(), Item { gate: gate.clone(), kind });
        }
        ensure!(!self.items.is_empty(), "{HEADER} declares nothing");
        Ok(Header { items: self.items, targets: self.targets })
    }
}

/// The value of one of the wrapper's constants, unless its macro is no number.
fn value(entity: &Entity<'_>) -> Option<Number> {
    match entity.evaluate()? {
        EvaluationResult::SignedInteger(value) => Some(value),
        EvaluationResult::UnsignedInteger(value) => Some(value.cast_signed()),
        _ => None,
    }
}

fn bytes<E: std::fmt::Debug>(size: Result<usize, E>) -> Result<u64> {
    let size = size.map_err(|error| anyhow::anyhow!("it has no layout: {error:?}"))?;
    u64::try_from(size).context("it is too large")
}

/// How many parameters a macro has: `NAME ( A , B ) …`.
fn parameters(tokens: &[Token<'_>]) -> usize {
    let tokens = tokens.iter().skip(2).map(Token::get_spelling);
    tokens.take_while(|token| token != ")").filter(|token| token != ",").count()
}

//! The customer file: CSV in, checked rows out, and back again without the secrets (contract §14).
//!
//! No message here repeats a cell: half of them are secret, the rest personal.

use std::collections::BTreeSet;
use std::collections::HashSet;
use std::io::Read;
use std::io::Write;
use std::str::FromStr;

use csv::StringRecord;

use crate::model::customer::Customer;
use crate::model::customer::NumberOnFile;
use crate::model::customer::Role;
use crate::model::digits::SecretText;
use crate::model::digits::VoicePin;
use crate::model::ids::CustomerId;
use crate::model::ids::FactKey;
use crate::model::number::PhoneNumber;
use crate::model::time::Timestamp;

const COLUMNS: [&str; 11] = [
    "customer_id",
    "keypad_id",
    "name",
    "role",
    "represents",
    "numbers",
    "email",
    "language",
    "pin",
    "password",
    "flags",
];
const FACT: &str = "fact.";
const TEXT_MAX: usize = 256;
const KEYPAD_MAX: usize = 16;

/// One customer as the file tells it, with the secrets to enrol and forget.
#[derive(Debug)]
pub struct CustomerRow {
    /// The line it starts on.
    pub line: u64,
    /// The record.
    pub customer: Customer,
    /// A PIN, if the cell is not empty.
    pub pin: Option<VoicePin>,
    /// A password, if the cell is not empty.
    pub password: Option<SecretText>,
}

/// What is wrong with a row, or with the header (line 1). Never holds a cell's text.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("line {line}, {column}: {message}")]
pub struct RowError {
    /// Where.
    pub line: u64,
    /// The column's name, or `row`.
    pub column: String,
    /// What, as a sentence without a full stop.
    pub message: String,
}

/// Reads a customer file row by row. A bad row is an error, and the next one is read all the same.
pub struct CustomerFile<R> {
    reader: csv::Reader<R>,
    record: StringRecord,
    columns: Vec<Column>,
    seen: HashSet<CustomerId>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Column {
    Known(&'static str),
    Fact(FactKey),
}

/// Why a cell is refused.
type Refusal = String;

impl<R: Read> CustomerFile<R> {
    /// Reads and checks the header.
    pub fn open(input: R) -> Result<Self, RowError> {
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(input);
        let header = reader.headers().map_err(|error| unreadable(&error, 1))?;
        let mut columns: Vec<Column> = vec![];
        for name in header {
            let name = name.trim_start_matches('\u{feff}');
            let column = column(name).map_err(|message| error(1, name, message))?;
            if columns.contains(&column) {
                return Err(error(1, name, "the column is there twice"));
            }
            columns.push(column);
        }
        if !columns.contains(&Column::Known("customer_id")) {
            return Err(error(1, "customer_id", "the column is missing"));
        }
        Ok(Self { reader, record: StringRecord::new(), columns, seen: HashSet::new() })
    }

    fn row(&mut self) -> Result<CustomerRow, RowError> {
        let line = self.record.position().map_or(0, csv::Position::line);
        let mut row = Cells::default();
        for (column, cell) in self.columns.iter().zip(&self.record) {
            let taken = match column {
                _ if cell.is_empty() => Ok(()),
                Column::Known(name) => row.take(name, cell),
                Column::Fact(key) => row.answer(key, cell),
            };
            taken.map_err(|message| error(line, &column.name(), message))?;
        }
        let id = row.id.take().ok_or_else(|| error(line, "customer_id", "it is empty"))?;
        if !self.seen.insert(id.clone()) {
            return Err(error(line, "customer_id", "this customer is in the file already"));
        }
        Ok(row.finish(id, line))
    }
}

impl<R: Read> Iterator for CustomerFile<R> {
    type Item = Result<CustomerRow, RowError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.reader.read_record(&mut self.record) {
            Ok(true) => Some(self.row()),
            Ok(false) => None,
            Err(error) => {
                let line = error
                    .position()
                    .map_or_else(|| self.reader.position().line(), csv::Position::line);
                Some(Err(unreadable(&error, line)))
            }
        }
    }
}

/// Writes customers in the same form, `pin` and `password` empty.
pub fn export(out: impl Write, customers: &[Customer]) -> Result<(), csv::Error> {
    let keys: BTreeSet<&FactKey> =
        customers.iter().flat_map(|customer| customer.facts.keys()).collect();
    let mut writer = csv::Writer::from_writer(out);
    let facts = keys.iter().map(|key| format!("{FACT}{key}"));
    writer.write_record(COLUMNS.map(str::to_owned).into_iter().chain(facts))?;
    for customer in customers {
        let role = match customer.role {
            Role::Client => "client",
            Role::Representative => "representative",
        };
        let represents: Vec<&str> = customer.represents.iter().map(CustomerId::as_str).collect();
        let numbers: Vec<String> = customer.numbers.iter().map(written).collect();
        let fields = [
            customer.id.as_str(),
            customer.keypad_id.as_deref().unwrap_or_default(),
            &customer.name,
            role,
            &represents.join(";"),
            &numbers.join(";"),
            customer.email.as_ref().map(SecretText::expose).unwrap_or_default(),
            customer.language.as_deref().unwrap_or_default(),
            "",
            "",
            &customer.flags.join(";"),
        ];
        let answers = keys
            .iter()
            .map(|key| customer.facts.get(*key).map(SecretText::expose).unwrap_or_default());
        writer.write_record(fields.into_iter().chain(answers))?;
    }
    writer.flush()?;
    Ok(())
}

/// What was read of one row so far.
#[derive(Default)]
struct Cells {
    id: Option<CustomerId>,
    keypad_id: Option<String>,
    name: Option<String>,
    role: Role,
    represents: Vec<CustomerId>,
    numbers: Vec<NumberOnFile>,
    email: Option<SecretText>,
    language: Option<String>,
    pin: Option<VoicePin>,
    password: Option<SecretText>,
    flags: Vec<String>,
    facts: Vec<(FactKey, SecretText)>,
}

impl Cells {
    fn take(&mut self, column: &str, cell: &str) -> Result<(), Refusal> {
        match column {
            "customer_id" => self.id = Some(parsed(cell)?),
            "keypad_id" if keyable(cell) => self.keypad_id = Some(cell.to_owned()),
            "keypad_id" => return Err("it is not 1 to 16 digits".into()),
            "name" => self.name = Some(text(cell)?),
            "role" => {
                self.role = match cell {
                    "client" => Role::Client,
                    "representative" => Role::Representative,
                    _ => return Err("it is neither client nor representative".into()),
                }
            }
            "represents" => self.represents = parts(cell).map(parsed).collect::<Result<_, _>>()?,
            "numbers" => self.numbers = parts(cell).map(number).collect::<Result<_, _>>()?,
            "email" if cell.len() <= TEXT_MAX && cell.contains('@') => {
                self.email = Some(SecretText::new(cell.into()));
            }
            "email" => return Err("it is no e-mail address".into()),
            "language" if is_tag(cell) => self.language = Some(cell.to_owned()),
            "language" => return Err("it is no language tag such as en or en-GB".into()),
            "pin" => self.pin = Some(VoicePin::parse(cell).map_err(|refused| refused.to_string())?),
            "password" => {
                short(cell)?;
                self.password = Some(SecretText::new(cell.into()));
            }
            "flags" => self.flags = parts(cell).map(text).collect::<Result<_, _>>()?,
            _ => {}
        }
        Ok(())
    }

    fn answer(&mut self, key: &FactKey, cell: &str) -> Result<(), Refusal> {
        short(cell)?;
        self.facts.push((key.clone(), SecretText::new(cell.into())));
        Ok(())
    }

    fn finish(self, id: CustomerId, line: u64) -> CustomerRow {
        let by_default = keyable(id.as_str()).then(|| id.to_string());
        let customer = Customer {
            keypad_id: self.keypad_id.or(by_default),
            name: self.name.unwrap_or_else(|| id.to_string()),
            role: self.role,
            represents: self.represents,
            numbers: self.numbers,
            email: self.email,
            language: self.language,
            flags: self.flags,
            facts: self.facts.into_iter().collect(),
            id,
        };
        CustomerRow { line, customer, pin: self.pin, password: self.password }
    }
}

impl Column {
    fn name(&self) -> String {
        match self {
            Self::Known(name) => (*name).to_owned(),
            Self::Fact(key) => format!("{FACT}{key}"),
        }
    }
}

fn column(name: &str) -> Result<Column, Refusal> {
    if let Some(key) = name.strip_prefix(FACT) {
        return Ok(Column::Fact(key.parse().map_err(|_| "a fact needs a name, fact.KEY")?));
    }
    if let Some(known) = COLUMNS.into_iter().find(|known| *known == name) {
        return Ok(Column::Known(known));
    }
    let nearest = COLUMNS.into_iter().min_by_key(|known| distance(known, name));
    let nearest = nearest.filter(|known| distance(known, name) <= known.len().div_ceil(2));
    Err(match nearest {
        Some(known) => format!("no such column; did you mean {known}?"),
        None => format!("no such column; there are {} and fact.KEY", COLUMNS.join(", ")),
    })
}

/// How many letters must be put in, taken out or changed to make one word of the other.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for (above, letter) in one.chars().enumerate() {
        let mut next = vec![above + 1];
        for ((diagonal, up), there) in row.iter().zip(row.iter().skip(1)).zip(other.chars()) {
            let left = next.last().copied().unwrap_or_default();
            next.push((diagonal + usize::from(letter != there)).min(up + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

fn number(cell: &str) -> Result<NumberOnFile, Refusal> {
    let (number, since) =
        cell.split_once('@').map_or((cell, None), |(number, date)| (number, Some(date.trim())));
    let since = since
        .map(|date| Timestamp::from_date(date).ok_or("a date is written @YYYY-MM-DD"))
        .transpose()?;
    let number = PhoneNumber::parse_lenient(number, None).map_err(|refused| refused.to_string())?;
    Ok(NumberOnFile { number, since })
}

fn written(on_file: &NumberOnFile) -> String {
    let number = on_file.number.as_e164();
    match on_file.since {
        Some(since) => format!("{number}@{}", since.rfc3339().get(..10).unwrap_or_default()),
        None => number.to_owned(),
    }
}

fn parts(cell: &str) -> impl Iterator<Item = &str> {
    cell.split(';').map(str::trim).filter(|part| !part.is_empty())
}

fn parsed<T: FromStr<Err: ToString>>(cell: &str) -> Result<T, Refusal> {
    cell.parse().map_err(|refused: T::Err| refused.to_string())
}

fn text(cell: &str) -> Result<String, Refusal> {
    short(cell).map(|()| cell.to_owned())
}

fn short(cell: &str) -> Result<(), Refusal> {
    let usable = cell.chars().count() <= TEXT_MAX && !cell.chars().any(char::is_control);
    if usable {
        Ok(())
    } else {
        Err(format!("it is longer than {TEXT_MAX} characters or holds control characters"))
    }
}

fn keyable(cell: &str) -> bool {
    (1..=KEYPAD_MAX).contains(&cell.len()) && cell.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_tag(cell: &str) -> bool {
    let mut parts = cell.split('-');
    let language = parts.next().is_some_and(|first| (2..=3).contains(&first.len()));
    language
        && cell.split('-').all(|part| {
            (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
}

fn unreadable(refused: &csv::Error, line: u64) -> RowError {
    let message = match refused.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("it has {len} cells, the header has {expected_len}")
        }
        csv::ErrorKind::Utf8 { .. } => "it is not UTF-8".to_owned(),
        csv::ErrorKind::Io(error) => format!("it cannot be read ({})", error.kind()),
        _ => "it cannot be read".to_owned(),
    };
    error(line, "row", message)
}

fn error(line: u64, column: &str, message: impl Into<String>) -> RowError {
    RowError { line, column: column.to_owned(), message: message.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(file: &str) -> Vec<Result<CustomerRow, RowError>> {
        CustomerFile::open(file.as_bytes()).expect("a good header").collect()
    }

    fn header_error(header: &str) -> String {
        CustomerFile::open(header.as_bytes()).err().expect("a bad header").to_string()
    }

    #[test]
    fn contract_14_a_full_row_is_read() {
        let file = "\u{feff}customer_id,keypad_id,name,role,represents,numbers,email,language,pin,password,flags,fact.postcode,fact.nino\n\
            1001,,Customer One,representative,c-7; c-8,+44 20 7946 0123@2024-02-29;+442079460124,one@example.org,en-GB,9081726,Blue Horse,vip;additional_security_used,EX1 2MP,\n";
        let mut rows = read(file);
        let CustomerRow { line, customer, pin, password } = rows.remove(0).expect("a good row");
        assert_eq!(
            (line, customer.id.as_str(), customer.keypad_id.as_deref()),
            (2, "1001", Some("1001"))
        );
        assert_eq!((customer.name.as_str(), customer.role), ("Customer One", Role::Representative));
        let represents: Vec<_> = customer.represents.iter().map(CustomerId::as_str).collect();
        assert_eq!(represents, ["c-7", "c-8"]);
        assert_eq!(
            customer.numbers.iter().map(written).collect::<Vec<_>>(),
            ["+442079460123@2024-02-29", "+442079460124"]
        );
        assert_eq!(customer.flags, ["vip", "additional_security_used"]);
        let facts: Vec<_> =
            customer.facts.iter().map(|(key, answer)| (key.as_str(), answer.expose())).collect();
        assert_eq!(facts, [("postcode", "EX1 2MP")], "an empty cell is no answer");
        assert!(pin.is_some() && password.is_some_and(|said| said.expose() == "Blue Horse"));
        assert!(rows.is_empty());
    }

    #[test]
    fn a_short_file_is_enough() {
        let row = read("customer_id\nc-1\n").remove(0).expect("a good row");
        assert_eq!((row.customer.name.as_str(), row.customer.keypad_id), ("c-1", None));
        assert!(row.pin.is_none() && row.password.is_none());
    }

    #[test]
    fn a_bad_row_is_reported_with_its_line_and_the_rest_goes_in() {
        let file = "customer_id,pin,numbers\nc-1,9081726,\nc-2,90817,\nc-3\n,9081726,\nc-1,,\nc-4,1234567,\nc-5,,12@2024-01-01\nc-6,,+442079460123@1.1.2024\nc-7,,\n";
        let rows = read(file);
        let good: Vec<_> = rows.iter().flatten().map(|row| row.customer.id.to_string()).collect();
        let bad: Vec<_> =
            rows.iter().filter_map(|row| row.as_ref().err()).map(ToString::to_string).collect();
        assert_eq!(good, ["c-1", "c-7"]);
        assert_eq!(
            bad,
            [
                "line 3, pin: a PIN has exactly seven digits",
                "line 4, row: it has 1 cells, the header has 3",
                "line 5, customer_id: it is empty",
                "line 6, customer_id: this customer is in the file already",
                "line 7, pin: this is a default PIN, which nobody may have",
                "line 8, numbers: not an E.164 number (+ and 7 to 15 digits)",
                "line 9, numbers: a date is written @YYYY-MM-DD",
            ]
        );
    }

    #[test]
    fn an_unknown_column_names_the_nearest() {
        assert_eq!(
            header_error("customer_id,pni"),
            "line 1, pni: no such column; did you mean pin?"
        );
        assert_eq!(
            header_error("customer_id,langauge"),
            "line 1, langauge: no such column; did you mean language?"
        );
        assert!(
            header_error("customer_id,x-y-z-nothing").contains("there are customer_id, keypad_id")
        );
        assert_eq!(header_error("name"), "line 1, customer_id: the column is missing");
        assert_eq!(header_error("customer_id,pin,pin"), "line 1, pin: the column is there twice");
        assert_eq!(
            header_error("customer_id,fact."),
            "line 1, fact.: a fact needs a name, fact.KEY"
        );
    }

    #[test]
    fn p11_no_message_repeats_a_cell() {
        let canary = "7654321x\u{7}";
        for column in COLUMNS.into_iter().skip(1) {
            let file = format!("customer_id,{column}\nc-1,{canary}\n");
            for refused in read(&file).into_iter().filter_map(Result::err) {
                assert!(!format!("{refused:?}").contains("7654321"), "{refused}");
            }
        }
        let row = read("customer_id,pin,password\nc-1,9081726,Blue Horse\n").remove(0);
        let shown = format!("{row:?}");
        assert!(!shown.contains("9081726") && !shown.contains("Horse"), "{shown}");
    }

    #[test]
    fn what_is_exported_reads_back_the_same_without_secrets() {
        let file = "customer_id,keypad_id,name,role,represents,numbers,email,language,pin,password,flags,fact.postcode\n\
            c-1,77,\"One, the first\",client,,+442079460123@2024-02-29,one@example.org,en,,,vip,\"EX1 \"\"2\"\"\"\n\
            c-2,,Two,representative,c-1,,,,,,,\n";
        let rows: Vec<Customer> =
            read(file).into_iter().map(|row| row.expect("a good row").customer).collect();
        let mut out = vec![];
        export(&mut out, &rows).expect("written");
        assert_eq!(String::from_utf8(out).expect("UTF-8"), file);
    }

    proptest! {
        #[test]
        fn p10_no_file_makes_us_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), rows in "[a-z0-9@;,\"+\r\n\u{7f}-\u{ff}]{0,200}") {
            if let Ok(file) = CustomerFile::open(bytes.as_slice()) {
                let _ = file.count();
            }
            let file = format!("customer_id,keypad_id,numbers,pin,role\n{rows}");
            let _ = CustomerFile::open(file.as_bytes()).expect("a good header").count();
        }
    }
}

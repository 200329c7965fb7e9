create table @extschema@.public_function (
  object text primary key
);
comment on table @extschema@.public_function is
  'The functions of niji that every role may execute: a name with its argument types. All others are revoked from PUBLIC.';

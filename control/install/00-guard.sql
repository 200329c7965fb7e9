/* niji: what CREATE EXTENSION runs, put together from control/install/ */

-- complain if the script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION niji" to load this file. \quit

set local search_path to pg_catalog, pg_temp;

CREATE TABLE `fast_tokens` (
	`local` text NOT NULL,
	`client` text NOT NULL,
	`slot` text NOT NULL,
	`mechanism` text NOT NULL,
	`seed` text NOT NULL,
	`issued_at` integer NOT NULL,
	`expires_at` integer NOT NULL,
	PRIMARY KEY(`local`, `client`, `slot`),
	FOREIGN KEY (`local`) REFERENCES `accounts`(`local`) ON UPDATE no action ON DELETE cascade
);

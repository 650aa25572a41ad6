CREATE TABLE `accounts` (
	`local` text PRIMARY KEY NOT NULL,
	`created_at` integer NOT NULL,
	`disabled_at` integer
);
--> statement-breakpoint
CREATE TABLE `grants` (
	`local` text NOT NULL,
	`role` text NOT NULL,
	`scope` text NOT NULL,
	`target` text DEFAULT '' NOT NULL,
	PRIMARY KEY(`local`, `role`, `scope`, `target`),
	FOREIGN KEY (`local`) REFERENCES `accounts`(`local`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE TABLE `scram_keys` (
	`local` text NOT NULL,
	`hash` text NOT NULL,
	`salt` text NOT NULL,
	`iterations` integer NOT NULL,
	`stored_key` text NOT NULL,
	`server_key` text NOT NULL,
	PRIMARY KEY(`local`, `hash`),
	FOREIGN KEY (`local`) REFERENCES `accounts`(`local`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE TABLE `secrets` (
	`name` text PRIMARY KEY NOT NULL,
	`value` text NOT NULL
);

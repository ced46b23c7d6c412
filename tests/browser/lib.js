/*
 * What the browser tests share: Chromium, windows of the kitchen board, and
 * the page's own modules.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { describe } from 'node:test';
import { chromium } from 'playwright-core';
import { env, password } from '../lib/env.js';
import { atEnd, suite } from '../lib/suite.js';

const www = new URL('../../www/', import.meta.url);
const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
let launched;

/** One of the page's modules without imports of its own, in this process. */
export async function pageModule(name)
{
	const source = await readFile(new URL(name, www), 'utf8');

	return import(`data:text/javascript,${encodeURIComponent(source)}`);
}

/** suite(), skipped where Chromium is missing; with CI=true it then fails. */
export function browserSuite(name, options, body)
{
	if (!existsSync(executablePath) && process.env.CI !== 'true')
		describe(name, { skip: `no ${executablePath}` }, () => {});
	else
		suite(name, options, body);
}

/** One Chromium per test file. */
function browser()
{
	launched ??= chromium.launch({
		executablePath, headless: true,
		args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
	}).then((chrome) => {
		atEnd(() => chrome.close());
		return chrome;
	});
	return launched;
}

/**
 * A window with cookies of its own at the log-in page. window.errors holds what
 * no window may have: exceptions, and what the Content-Security-Policy stopped.
 */
export async function openWindow(options = {})
{
	const context = await (await browser()).newContext({
		viewport: { width: 1280, height: 800 }, ...options,
	});
	const window = await context.newPage();

	context.setDefaultTimeout(15_000);
	window.errors = [];
	window.on('pageerror', (error) => window.errors.push(error.message));
	window.on('console', (message) => {
		if (/content security policy/i.test(message.text()))
			window.errors.push(message.text());
	});
	await window.goto(`${env.URL}/`);
	await window.locator('#login').waitFor();
	return window;
}

/** Fills in the log-in form and sends it. */
export async function logIn(window, email, word = password)
{
	await window.getByLabel('Email').fill(email);
	await window.getByLabel('Kata sandi').fill(word);
	await window.getByRole('button', { name: 'Masuk' }).click();
}

/** Waits until the window says that it is live. */
export function live(window)
{
	return window.locator('[data-link][data-state=live]').waitFor();
}

/** A window of this person (an email), logged in and live. */
export async function windowOf(email, options)
{
	const window = await openWindow(options);

	await logIn(window, email);
	await live(window);
	return window;
}

/** The card of a batch; in this column when `status` is given. */
export function card(window, batch, status)
{
	return window.locator(`${status ? `#column-${status} ` : ''}.card`, { hasText: batch });
}

/** The words of the buttons that can be seen. */
export function buttons(place)
{
	return place.getByRole('button').allInnerTexts();
}

/** Closes the window; it must have had no errors. */
export async function closeWindow(window)
{
	await window.context().close();
	assert.deepEqual(window.errors, []);
}

/*
 * text: every word the page says that is not in index.html. Plain Indonesian,
 * as a cook would say it.
 */

export const STATUS = {
	PLANNED: 'Direncanakan',
	PREPARING: 'Persiapan',
	COOKING: 'Memasak',
	QUALITY_CHECK: 'Cek mutu',
	COMPLETED: 'Selesai',
	CANCELLED: 'Dibatalkan',
};

/** What the button to the next status says. */
export const MOVE = {
	PREPARING: 'Mulai persiapan',
	COOKING: 'Mulai memasak',
	QUALITY_CHECK: 'Mulai cek mutu',
	COMPLETED: 'Selesaikan',
};

export const PRIORITY = {
	LOW: 'Rendah', NORMAL: 'Biasa', HIGH: 'Tinggi', URGENT: 'Mendesak', CRITICAL: 'Genting',
};

export const CHECK = {
	HYGIENE: 'Kebersihan', TEMPERATURE: 'Suhu', TASTE: 'Rasa', APPEARANCE: 'Tampilan',
	SAFETY: 'Keamanan pangan',
};

export const SEVERITY = {
	LOW: 'Ringan', MEDIUM: 'Sedang', HIGH: 'Berat', CRITICAL: 'Gawat',
};

const ROLE = {
	SPPG_KEPALA: 'Kepala SPPG',
	SPPG_ADMIN: 'Admin',
	SPPG_AHLI_GIZI: 'Ahli gizi',
	SPPG_PRODUKSI_MANAGER: 'Manajer produksi',
	SPPG_STAFF_DAPUR: 'Staf dapur',
	SPPG_STAFF_QC: 'Staf cek mutu',
	SPPG_AKUNTAN: 'Akuntan',
	SPPG_VIEWER: 'Pemantau',
	DEMO_USER: 'Demo',
};

const MEAL = {
	BREAKFAST: 'Sarapan', SNACK: 'Selingan', LUNCH: 'Makan siang', DINNER: 'Makan malam',
};

const EVENT = {
	production_created: 'Direncanakan',
	production_updated: 'Diubah',
	production_deleted: 'Dihapus',
	status_changed: 'Pindah',
	quality_check_added: 'Cek mutu',
};

/* a word the server got after this page was written is shown as it is */
const plain = (word) => word ? word.toLowerCase().replaceAll('_', ' ') : '';

export const roleText = (role) => ROLE[role] ?? plain(role);
export const mealText = (meal) => MEAL[meal] ?? plain(meal);
export const eventText = (type) => EVENT[type] ?? plain(type);

const number = new Intl.NumberFormat('id-ID');

/** 1500 -> "1.500" */
export const numberText = (n) => number.format(n);

/** 95 -> "1 menit 35 detik" */
export function waitText(seconds)
{
	const [m, s] = [Math.floor(seconds / 60), Math.ceil(seconds % 60)];

	return [m && `${m} menit`, (s || !m) && `${s} detik`].filter(Boolean).join(' ');
}

const ERROR = {
	NETWORK: 'Tidak ada sambungan ke server. Periksa jaringan.',
	TIMEOUT: 'Server terlalu lama menjawab.',
	NOT_JSON: 'Jawaban server tidak dikenali. Muat ulang halaman ini.',
	BAD_JSON: 'Kiriman ini tidak dipahami server. Muat ulang halaman ini.',
	UNAUTHORIZED: 'Sesi Anda sudah berakhir. Silakan masuk lagi.',
	FORBIDDEN: 'Peran Anda tidak boleh melakukan ini.',
	CROSS_SITE: 'Buka halaman ini dari alamat resminya, lalu coba lagi.',
	LIMIT_REACHED: 'Batas langganan dapur ini sudah tercapai.',
	NOT_FOUND: 'Data ini sudah tidak ada.',
	CONFLICT: 'Data ini bentrok dengan yang sudah ada.',
	ILLEGAL_TRANSITION: 'Tidak bisa dipindah ke tahap itu; mungkin sudah dipindah orang lain.',
	QUALITY_REQUIRED: 'Belum bisa selesai: perlu cek mutu yang lulus, dan yang gagal harus dicek ulang sampai lulus.',
	PRECONDITION_FAILED: 'Data ini baru saja diubah orang lain.',
	TOO_LARGE: 'Kiriman terlalu besar.',
	INVALID: 'Ada isian yang perlu diperbaiki.',
	TOO_MANY_REQUESTS: 'Terlalu banyak percobaan.',
	INTERNAL: 'Ada kesalahan di server.',
	UNAVAILABLE: 'Server sedang tidak bisa dipakai sebentar. Data Anda aman.',
};

/** One sentence or two for an ApiError. */
export function errorText(fault)
{
	const said = ERROR[fault.code] ?? fault.message;

	if (fault.retryAfter && fault.code === 'TOO_MANY_REQUESTS')
		return `${said} Coba lagi dalam ${waitText(fault.retryAfter)}.`;
	if (fault.code === 'INTERNAL' && fault.requestId)
		return `${said} Sebutkan kode ini kepada admin: ${fault.requestId}`;
	return said;
}

const FAULT = {
	REQUIRED: 'Wajib diisi.',
	TOO_SMALL: 'Terlalu kecil.',
	TOO_LARGE: 'Terlalu besar.',
	TOO_SHORT: 'Terlalu pendek.',
	TOO_LONG: 'Terlalu panjang.',
	TOO_EARLY: 'Harus sesudah jam mulai.',
	TAKEN: 'Sudah dipakai.',
	NOT_ALLOWED: 'Pilihan ini tidak ada.',
	CONTROL: 'Ada tanda yang tidak boleh dipakai.',
	WRONG_TYPE: 'Isi dengan benar.',
	NOT_A_DATE: 'Isi dengan tanggal.',
	NOT_A_TIME: 'Isi dengan tanggal dan jam.',
	UNKNOWN: 'Tidak ada atau sudah tidak aktif.',
};

/** What is wrong with one field: {code, message} of errors[]. */
export const faultText = ({ code, message }) => FAULT[code] ?? message;
